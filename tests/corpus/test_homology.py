"""Homology by 31-mers: against sets of strings, with planted copies, and on the real genome."""

import resource
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline_lib.corpus import homology, sketch
from pipeline_lib.corpus.homology import Sketch, count_leak, leak, pieces, shared_regions
from pipeline_lib.errors import InputError
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import Intervals
from pipeline_lib.sequence import base_codes, reverse_complement

K = 31


def random_bases(length: int, seed: int) -> bytes:
    return np.random.default_rng(seed).choice(list(b"ACGT"), length).astype(np.uint8).tobytes()


def mutated(sequence: bytes, share: float, seed: int) -> bytes:
    generator = np.random.default_rng(seed)
    codes = base_codes(sequence)
    changed = generator.random(len(codes)) < share
    codes[changed] = (codes[changed] + generator.integers(1, 4, changed.sum())) % 4
    return np.frombuffer(b"ACGT", np.uint8)[codes].tobytes()


def spans(found: Intervals) -> list[tuple[int, int]]:
    return list(zip(found.starts.tolist(), found.ends.tolist(), strict=True))


def naive_kmers(sequence: bytes) -> list[bytes | None]:
    """Return the smaller of each 31-mer and its reverse complement, None with other letters."""
    upper = sequence.upper()
    windows = (upper[start : start + K] for start in range(len(upper) - K + 1))
    return [
        None if set(window) - set(b"ACGT") else min(window, reverse_complement(window))
        for window in windows
    ]


def naive_regions(
    held: list[bytes], contig: bytes, min_length: int, min_share: float
) -> list[tuple[int, int]]:
    table = {kmer for sequence in held for kmer in naive_kmers(sequence)} - {None}
    found = naive_kmers(contig)
    length = min(min_length, len(contig))
    if length < K or not table:
        return []
    fewest = max(1, int(np.ceil(homology.MIN_KNOWN * (length - K + 1))))
    windows = []
    for start in range(len(contig) - length + 1):
        inside = [kmer for kmer in found[start : start + length - K + 1] if kmer]
        hits = sum(kmer in table for kmer in inside)
        if hits and len(inside) >= fewest and hits >= min_share * len(inside):
            windows.append((start, start + length))
    result = []
    for start, end in spans(Intervals.of(windows)):
        hits = [place for place in range(start, end - K + 1) if found[place] in table]
        result.append((hits[0], hits[-1] + K))
    return result


# Sequences built of few units, so that they share much, on both strands, with gaps in between.
UNITS = [random_bases(length, seed) for seed, length in enumerate((20, 33, 40, 60))]
UNITS += [reverse_complement(unit) for unit in UNITS]
UNITS += [b"N", b"R", b"acgtt", b"A" * 35, UNITS[3].lower()]
sequences = st.lists(st.sampled_from(UNITS), max_size=8).map(b"".join)


@given(
    held=st.lists(sequences, max_size=3),
    contig=sequences,
    min_length=st.integers(31, 120),
    min_share=st.sampled_from([0.05, 0.3, 0.5, 0.9, 1.0]),
    block=st.integers(1, 400),
)
@hypothesis_settings(max_examples=300, deadline=None)
def test_regions_are_those_of_sets_of_strings(held, contig, min_length, min_share, block) -> None:
    table = Sketch.of(held)
    assert len(table) == len({kmer for one in held for kmer in naive_kmers(one)} - {None})
    limits = {"min_length": min_length, "min_share": min_share, "block": block}
    expected = naive_regions(held, contig, min_length, min_share)
    assert spans(shared_regions(table, contig, **limits)) == expected
    assert spans(shared_regions(table, base_codes(contig), **limits)) == expected
    mirrored = shared_regions(table, reverse_complement(contig), **limits)
    size = len(contig)
    assert [(size - end, size - start) for start, end in spans(mirrored)][::-1] == expected


@given(
    contig=sequences,
    held=sequences,
    scale=st.integers(1, 5),
    blocks=st.tuples(st.integers(1, 300), st.integers(1, 300)),
)
@hypothesis_settings(max_examples=100, deadline=None)
def test_blocks_do_not_matter(contig, held, scale, blocks) -> None:
    table = Sketch.of([held], scale=scale)
    one, other = (
        shared_regions(table, contig, min_length=60, block=block, min_share=0.4) for block in blocks
    )
    assert spans(one) == spans(other)


@given(sequence=sequences, size=st.integers(1, 90))
@hypothesis_settings(max_examples=50, deadline=None)
def test_pieces_hold_every_kmer_once(sequence, size) -> None:
    class Toy:
        def fetch(self, contig: str, start: int, end: int) -> bytes:
            assert 0 <= start < end <= len(sequence)
            return sequence[start:end]

    whole = Intervals.of([(0, len(sequence))])
    parts = list(pieces(Toy(), "toy", whole, size=size))
    assert [kmer for part in parts for kmer in naive_kmers(part)] == naive_kmers(sequence)


def test_small_blocks_of_a_table_change_nothing(monkeypatch) -> None:
    sequence = random_bases(5_000, 1) * 2 + b"N" + random_bases(3_000, 2)
    whole = Sketch.of([sequence])
    monkeypatch.setattr(sketch, "BLOCK", 97)
    small = Sketch.of([sequence])
    assert np.array_equal(whole.hashes, small.hashes)
    assert len(whole) == len(set(naive_kmers(sequence)) - {None})
    found = np.concatenate([found for _, found in small.find(np.frombuffer(sequence, np.uint8))])
    assert (found >= 0).all() and len(np.unique(found)) == len(small)


@pytest.mark.parametrize("scale", [1, 4])
@pytest.mark.parametrize(
    "copy",
    [lambda text: text, reverse_complement, bytes.lower, lambda text: mutated(text, 0.01, 5)],
    ids=["same", "reverse", "lower", "1 percent"],
)
def test_planted_copies_are_found(copy, scale: int) -> None:
    held = random_bases(50_000, 1)
    contig = random_bases(40_000, 2) + copy(held[10_000:13_000]) + random_bases(40_000, 3)
    ((start, end),) = spans(shared_regions(Sketch.of([held], scale=scale), contig))
    # Trimmed to shared 31-mers: chance gives a base or two more, substitutions some fewer.
    assert 39_997 <= start <= 40_150 and 42_850 <= end <= 43_003


def test_a_copy_with_two_percent_substitutions_is_found_where_half_is_shared() -> None:
    held = random_bases(20_000, 1)
    contig = mutated(held, 0.02, 2)
    found = shared_regions(Sketch.of([held]), contig)
    assert spans(found) == naive_regions([held], contig, 500, 0.5)
    assert 0.4 < found.bases / len(contig) < 1  # (1 - 0.02)^31 is 0.53


def test_a_distant_relative_is_found_with_a_lower_share() -> None:
    held = random_bases(50_000, 1)
    contig = mutated(held, 0.05, 2)
    table = Sketch.of([held])
    assert shared_regions(table, contig).bases < 0.1 * len(contig)
    assert shared_regions(table, contig, min_share=0.05).bases > 0.9 * len(contig)


def test_unrelated_sequence_is_not_found() -> None:
    table = Sketch.of([random_bases(500_000, 1)])
    assert len(shared_regions(table, random_bases(500_000, 2))) == 0
    assert count_leak(table, [random_bases(500_000, 2)]) == 0


def test_a_copy_shorter_than_a_window_does_not_count_but_a_short_contig_does() -> None:
    held = random_bases(10_000, 1)
    table, copy = Sketch.of([held]), held[2_000:2_200]
    assert not len(shared_regions(table, random_bases(900, 2) + copy + random_bases(900, 3)))
    assert spans(shared_regions(table, copy)) == [(0, 200)]


def test_ambiguous_letters_do_not_hide_a_copy() -> None:
    held = random_bases(10_000, 1)
    letters = bytearray(held[2_000:6_000])
    letters[::40] = b"N" * 100
    found = shared_regions(Sketch.of([held]), bytes(letters))
    assert found.bases > 3_900


def test_degenerate_input() -> None:
    empty = Sketch.of([b"", b"ACGT", b"N" * 100])
    assert len(empty) == 0 and count_leak(empty, [b"ACGT" * 20]) == 0
    assert not len(shared_regions(empty, b"ACGT" * 200))
    assert not len(shared_regions(Sketch.of([b"ACGT" * 20]), b""))
    for wrong in ({"min_length": 30}, {"min_share": 0}, {"min_share": 1.1}):
        with pytest.raises(ValueError, match="min_length"):
            shared_regions(empty, b"", **wrong)
    with pytest.raises(ValueError, match="scale"):
        Sketch.of([], scale=0)


@given(held=sequences, train=st.lists(sequences, max_size=3))
@hypothesis_settings(max_examples=150, deadline=None)
def test_leak_is_that_of_sets_of_strings(held: bytes, train: list[bytes]) -> None:
    kmers, seen = naive_kmers(held), {kmer for one in train for kmer in naive_kmers(one)}
    every = set(kmers) - {None}
    table = Sketch.of([held])
    assert count_leak(table, train) == (len(every & seen) / len(every) if every else 0)
    shared, known = set(), set()
    for start, kmer in enumerate(kmers):
        if kmer:
            known.update(range(start, start + K))
            shared.update(range(start, start + K) if kmer in seen else ())
    expected = len(shared) / max(len(known), 1)
    assert leak(table, train, {"test": [held]}) == {"test": pytest.approx(expected)}


def test_leak_across_blocks_and_of_several_splits(monkeypatch) -> None:
    held, other = random_bases(3_000, 1), random_bases(1_000, 2)
    table = Sketch.of([held, other])
    monkeypatch.setattr(sketch, "BLOCK", 41)
    result = leak(table, [held[500:1_250]], {"valid": [held], "test": [other], "none": []})
    assert result == {"valid": pytest.approx(0.25), "test": 0, "none": 0}


@pytest.mark.parametrize("scale", [2, 16])
def test_a_sample_estimates_the_leak(scale: int) -> None:
    held = random_bases(200_000, 1)
    table = Sketch.of([held], scale=scale)
    assert len(table) == pytest.approx(200_000 / scale, rel=0.1)
    assert count_leak(table, [held[:50_000]]) == pytest.approx(0.25, abs=0.03)
    found = shared_regions(table, random_bases(9_000, 5) + held[:50_000])
    assert found.bases == pytest.approx(50_000, rel=0.02)


@pytest.mark.parametrize("scale", [1, 3])
def test_a_saved_table_is_the_same(tmp_path: Path, scale: int) -> None:
    table = Sketch.of([random_bases(10_000, 1)], scale=scale)
    table.save(tmp_path / "held.npy")
    again = Sketch.load(tmp_path / "held.npy")
    assert again.scale == scale and np.array_equal(again.hashes, table.hashes)
    contig = random_bases(10_000, 1)
    assert spans(shared_regions(again, contig)) == spans(shared_regions(table, contig))


@pytest.mark.parametrize("damage", ["missing", "cut", "text", "other"])
def test_a_damaged_table_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "held.npy"
    Sketch.of([random_bases(1_000, 1)]).save(path)
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "text":
        path.write_text("ACGT")
    else:
        np.save(path, np.arange(9))
    with pytest.raises(InputError, match=r"held\.npy.*31-mers.*To fix"):
        Sketch.load(path)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kB on Linux only")
def test_repeats_take_no_memory() -> None:
    """50 Mb of a repeat, in pieces, would take 400 MB if duplicates were kept."""
    unit = random_bases(1_000_000, 1)
    Sketch.of([unit])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(Sketch.of(unit for _ in range(50))) == len(unit) - K + 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.fixture(scope="module")
def yeast(resources: Path, tmp_path_factory) -> Genome:
    from pipeline_lib.config.genome import Assembly
    from pipeline_lib.genome.prepare import prepare_genome

    source, folder = resources / "S288C_R64-2-1.fa.gz", tmp_path_factory.mktemp("yeast")
    prepare_genome(source, folder, Assembly(path=str(source)), name="yeast")
    return Genome(folder)


def test_filtering_yeast_ends_its_leak(yeast: Genome) -> None:
    def whole(name: str) -> tuple[str, Intervals]:
        contig = yeast.resolve(name)
        return contig, Intervals.of([(0, yeast.contigs[contig])])

    held = {
        split: {("yeast", contig): spans for contig, spans in map(whole, names)}
        for split, names in (("valid", ["VI", "IX"]), ("test", ["I", "III"]))
    }
    table = Sketch.of_held_out({"yeast": yeast}, held)
    held_contigs = {contig for places in held.values() for _, contig in places}
    contigs = {
        contig: yeast.fetch(contig, 0, length)
        for contig, length in yeast.contigs.items()
        if contig not in held_contigs
    }
    found = {contig: shared_regions(table, text) for contig, text in contigs.items()}
    share = sum(one.bases for one in found.values()) / sum(map(len, contigs.values()))
    assert 0.005 < share < 0.05  # transposons, subtelomeres, rRNA and tRNA genes
    kept = [
        text[start:end]
        for contig, text in contigs.items()
        for start, end in zip(
            [0, *found[contig].ends.tolist()],
            [*found[contig].starts.tolist(), len(text)],
            strict=True,
        )
    ]
    before, after = count_leak(table, contigs.values()), count_leak(table, kept)
    assert before > 0.02 and after < before / 5
