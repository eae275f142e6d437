"""Markov models against a naive oracle, and on yeast."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation import blocks as blocks_module
from pipeline_lib.evaluation import covered as covered_module
from pipeline_lib.evaluation.covered import context_words, covered, held_out
from pipeline_lib.evaluation.markov import (
    choose_strengths,
    count_words,
    evaluate_markov,
    interpolated,
    plain,
)
from pipeline_lib.files import read_json
from pipeline_lib.genome import Genome
from pipeline_lib.sequence import base_codes, reverse_complement

ORDER = 3


def naive_counts(texts, k):
    """Count words of k + 1 letters, those of A, C, G and T alone."""
    words = (text[i : i + k + 1] for text in texts for i in range(len(text) - k))
    return Counter(word for word in words if set(word) <= set("ACGT"))


def naive_probability(counts, strengths, context, base):
    """Interpolate as it is written in the module's docstring."""
    p = 0.25
    for k in range(len(strengths)):
        if k > len(context):
            break
        last = context[len(context) - k :]
        seen = counts[k][last + base]
        total = sum(counts[k][last + other] for other in "ACGT")
        p = (seen + strengths[k] * p) / (total + strengths[k])
    return p


def texts_of(contigs, rows):
    return [contigs[contig][start:end] for contig, start, end in rows]


@pytest.fixture
def small(small_genome, write_documents, tmp_path):
    rng = np.random.default_rng(3)
    contigs = {
        name: "".join(rng.choice(list("ACGTN"), p=[0.4, 0.2, 0.2, 0.17, 0.03], size=size))
        for name, size in (("a", 400), ("b", 150), ("c", 200))
    }
    documents = {
        # overlapping passes of a, and all but an end of b
        "train": [
            ("a", "+", 0, 250),
            ("a", "-", 100, 400),
            ("b", "+", 10, 150),
            ("b", "-", 10, 90),
        ],
        "valid": [("b", "+", 0, 10), ("b", "-", 0, 10)],
        "test": [("c", "+", 20, 180), ("c", "-", 20, 180)],
    }
    paths = {
        split: write_documents(tmp_path / f"{split}.parquet", rows)
        for split, rows in documents.items()
    }
    return contigs, {"test": small_genome(contigs)}, paths


def both_strands(texts):
    return [*texts, *(reverse_complement(text.encode()).decode() for text in texts)]


def test_counts_equal_the_naive_ones(small, monkeypatch):
    contigs, genomes, paths = small
    monkeypatch.setattr(covered_module, "PIECE", 64)  # words across pieces are counted, once
    stretches, strands = covered(paths["train"])
    assert strands == 2
    counts = count_words(stretches, genomes, ORDER, both=True)
    texts = both_strands(texts_of(contigs, [("a", 0, 400), ("b", 10, 150)]))
    for k in range(ORDER + 1):
        expected = np.zeros(4 ** (k + 1), dtype=int)
        for word, count in naive_counts(texts, k).items():
            expected[int("".join(str("ACGT".index(letter)) for letter in word), 4)] = count
        assert counts[k].shape == (4**k, 4)
        assert (counts[k].ravel() == expected).all()


def test_probabilities_equal_the_naive_ones(small):
    contigs, genomes, paths = small
    stretches, _ = covered(paths["train"])
    counts = count_words(stretches, genomes, ORDER, both=True)
    texts = both_strands(texts_of(contigs, [("a", 0, 400), ("b", 10, 150)]))
    naive = [naive_counts(texts, k) for k in range(ORDER + 1)]
    measured = held_out(paths["test"], genomes, ORDER, 10_000)
    strengths = [4.0, 1.0, 16.0, 2.0]
    found = list(interpolated(measured, counts, strengths))
    raw = list(plain(measured, counts))
    row = 0
    for text in both_strands(texts_of(contigs, [("c", 20, 180)])):
        for position, base in enumerate(text):
            if base == "N":
                continue
            context = text[:position].rpartition("N")[2][-ORDER:]
            for k in range(ORDER + 1):
                expected = naive_probability(naive, strengths[: k + 1], context, base)
                assert found[k][row] == pytest.approx(expected)
            seen = naive[len(context)][context + base]
            total = sum(naive[len(context)][context + other] for other in "ACGT")
            assert raw[ORDER][row] == pytest.approx((seen + 0.5) / (total + 2))
            row += 1
    assert row == len(measured.words)


def test_strengths_are_the_best_of_the_grid_on_valid(small):
    _, genomes, paths = small
    stretches, _ = covered(paths["train"])
    counts = count_words(stretches, genomes, ORDER, both=True)
    tuning = held_out(paths["valid"], genomes, ORDER, 10_000)
    strengths, bits = choose_strengths(tuning, counts)
    for k, reached in enumerate(bits):
        assert -np.log2(list(interpolated(tuning, counts, strengths))[k]).mean() == (
            pytest.approx(reached)
        )
        for other in (0.25, 8.0, 4096.0):
            changed = [*strengths[:k], other]
            there = list(interpolated(tuning, counts[: k + 1], changed))[k]
            assert -np.log2(there).mean() >= reached - 1e-12


@given(st.text(alphabet="ACGTN", max_size=40), st.integers(0, 5))
def test_context_words(text, order):
    words, context = context_words(base_codes(text.encode()), order)
    for i, letter in enumerate(text):
        before = text[:i].rpartition("N")[2][-order:] if order else ""
        assert context[i] == (-1 if letter == "N" else len(before))
        if letter != "N":
            code = int("".join(str("ACGT".index(base)) for base in before + letter), 4)
            assert words[i] & (4 ** (len(before) + 1) - 1) == code


def test_max_bases_takes_evenly_spread_blocks(small, monkeypatch):
    _, genomes, paths = small
    monkeypatch.setattr(blocks_module, "BLOCK", 10)
    whole = held_out(paths["test"], genomes, ORDER, 320)
    part = held_out(paths["test"], genomes, ORDER, 160)
    assert whole.block.max() == 15
    assert part.block.max() == 7
    assert 0.4 < len(part.words) / len(whole.words) < 0.6


@pytest.fixture(scope="module")
def yeast_result(yeast, write_documents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("markov")
    held = {"valid": ("I", "III"), "test": ("VI", "IX")}
    with Genome(yeast) as genome:
        names = {genome.resolve(name): split for split, pair in held.items() for name in pair}
        rows = {split: [] for split in ("train", "valid", "test")}
        for contig, length in genome.contigs.items():
            split = names.get(contig, "train")
            rows[split] += [(contig, strand, 0, length) for strand in "+-"]
    paths = {
        split: write_documents(folder / f"{split}.parquet", part, assembly="S288C")
        for split, part in rows.items()
    }
    evaluate_markov(
        paths["train"],
        paths["test"],
        paths["valid"],
        {"S288C": yeast},
        folder / "markov.json",
        EvaluationConfig(),
        seed=42,
    )
    return read_json(folder / "markov.json")


def test_plain_orders_on_yeast_equal_the_known_figures(yeast_result):
    """VI and IX held out, both strands in training: measured independently."""
    assert yeast_result["train_bases"] == 12_071_326 - 230_218 - 316_620 - 270_161 - 439_888
    assert yeast_result["plain"]["2"]["value"] == pytest.approx(1.950, abs=0.003)
    assert yeast_result["plain"]["8"]["value"] == pytest.approx(1.939, abs=0.003)


def test_back_off_does_not_overfit_on_yeast(yeast_result):
    markov = {int(order): row["value"] for order, row in yeast_result["markov"].items()}
    assert sorted(markov) == list(range(1, 13))
    assert all(markov[order + 1] <= markov[order] + 1e-3 for order in range(1, 12))
    plain_12 = yeast_result["plain"]["12"]["value"]
    assert plain_12 > yeast_result["plain"]["8"]["value"]
    assert markov[12] < plain_12 - 0.05
    bits = yeast_result["valid_bits_per_base"]
    assert str(yeast_result["best_order"]) == min(bits, key=bits.__getitem__)
    for row in yeast_result["markov"].values():
        assert row["low"] < row["value"] < row["high"]
