"""Corpora of several assemblies, of haplotypes, of regions; copies of held-out sequence."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline_lib.config.corpus import Corpus
from pipeline_lib.corpus.build import build_corpus
from pipeline_lib.corpus.haplotypes.vcf import build_store
from pipeline_lib.corpus.plan import plan_corpus
from pipeline_lib.corpus.reader import Document, Sequences, read_documents
from pipeline_lib.errors import InputError
from pipeline_lib.files import read_json
from pipeline_lib.genome.reader import Genome
from pipeline_lib.sequence import reverse_complement

SPLITS = ("train", "valid", "test")
NONE = {"method": "none"}


def random_dna(length: int, seed: int) -> str:
    return "".join(random.Random(seed).choices("ACGT", k=length))


def mutated(text: str, share: float, seed: int) -> str:
    generator = random.Random(seed)
    return "".join(
        generator.choice("ACGT") if generator.random() < share else base for base in text
    )


def documents(folder: Path, split: str = "train") -> list[Document]:
    return list(read_documents(folder / split / "documents.parquet"))


def long(**changes: object) -> dict[str, object]:
    """Settings for genomes of some ten thousand bases."""
    return {
        "sentence_length": (50, 90), "sentences_per_document": (3, 6), "max_offset": 40,
    } | changes  # fmt: skip


@pytest.fixture
def two(make_genome, tmp_path: Path) -> dict[str, Path]:
    """Two assemblies, one three times as long as the other, each with its holdouts."""
    contigs = {name: random_dna(4_000, seed) for seed, name in enumerate(("v1", "t1"))}
    small = contigs | {"a": random_dna(20_000, 3)}
    large = {"v2": random_dna(4_000, 4), "t2": random_dna(4_000, 5), "b": random_dna(60_000, 6)}
    return {
        "small": make_genome(tmp_path / "small", small),
        "large": make_genome(tmp_path / "large", large),
    }


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_shares_are_met(two, settings, tmp_path: Path, share: float) -> None:
    made = settings(
        {"contigs": ["v1", "v2"]}, {"contigs": ["t1", "t2"]}, assemblies=("small", "large"),
        shares={"small": share}, passes=4, homology=NONE, **long(),
    )  # fmt: skip
    build_corpus(two, tmp_path / "corpus", made, seed=1)
    read = read_json(tmp_path / "corpus" / "stats.json")["shares"]
    assert read["small"] == pytest.approx(share, abs=0.02)
    bases = {"small": 0, "large": 0}
    for document in documents(tmp_path / "corpus"):
        bases[document.assembly] += document.end - document.start
    assert bases["small"] / sum(bases.values()) == pytest.approx(share, abs=0.02)
    # The other one is read as often as `passes` says.
    assert bases["large"] == pytest.approx(60_000 * 4 * 2, rel=0.02)
    numbers = [document.number for document in documents(tmp_path / "corpus")]
    assert numbers == list(range(len(numbers)))


def test_copies_of_held_out_sequence_are_left_out(make_genome, settings, tmp_path: Path) -> None:
    held = random_dna(5_000, 1)
    twin = reverse_complement(mutated(held[1_000:3_000], 0.02, 2).encode()).decode()
    train = random_dna(10_000, 3) + twin + random_dna(8_000, 4)
    contigs = {"v": random_dna(3_000, 5), "t": held, "a": train}
    genome = make_genome(tmp_path / "toy", contigs)
    for method in ("none", "sketch"):
        made = settings(
            {"contigs": ["v"]}, {"contigs": ["t"]}, homology={"method": method}, **long()
        )
        build_corpus({"toy": genome}, tmp_path / method, made, seed=1)
        stats = read_json(tmp_path / method / "stats.json")
        copied = [
            min(d.end, 12_000) - max(d.start, 10_000)
            for d in documents(tmp_path / method)
            if d.start < 12_000 and d.end > 10_000
        ]
        assert stats["leak"]["before"]["test"] > 0.15
        if method == "none":
            assert sum(copied) > 5_000
            assert stats["leak"]["after"] == stats["leak"]["before"]
        else:
            assert sum(copied) < 200  # ends of the copy, outside of its first and last 31-mer
            assert stats["leak"]["after"]["test"] < 0.01
            assert stats["splits"]["train"]["homologous_bases"] == pytest.approx(2_000, abs=100)


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_no_split_shares_a_base_in_any_assembly(data, make_genome, settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("random")
    names = ("one", "two", "three")[: data.draw(st.integers(2, 3))]
    genomes, lines = {}, {"valid": [], "test": []}
    for number, name in enumerate(names):
        contigs = {
            f"{name}-{i}": random_dna(data.draw(st.integers(300, 900)), 10 * number + i)
            for i in range(3)
        }
        genomes[name] = make_genome(folder / name, contigs)
        for split, contig in zip(lines, contigs, strict=False):
            start = data.draw(st.integers(0, 200))
            end = data.draw(st.integers(start + 1, 300))
            lines[split].append(f"{contig}\t{start}\t{end}\n")
    beds = {split: folder / f"{split}.bed" for split in lines}
    for split, bed in beds.items():
        bed.write_text("".join(lines[split]))
    made = settings(
        {"bed": str(beds["valid"])}, {"bed": str(beds["test"])}, assemblies=names,
        shares={names[0]: data.draw(st.sampled_from([0.2, 0.6]))},
        passes=data.draw(st.integers(1, 3)), homology={"method": "sketch", "min_length": 40},
    )  # fmt: skip
    build_corpus(genomes, folder / "corpus", made, seed=data.draw(st.integers(0, 9)))
    opened = {name: Genome(path) for name, path in genomes.items()}
    owner: dict[tuple[str, str], np.ndarray] = {
        (name, contig): np.zeros(length, np.int8)
        for name, genome in opened.items()
        for contig, length in genome.contigs.items()
    }
    sequences = Sequences(genomes)
    for bit, split in enumerate(SPLITS):
        for document in documents(folder / "corpus", split):
            owner[document.assembly, document.contig][document.start : document.end] |= 1 << bit
            text = opened[document.assembly].fetch(document.contig, document.start, document.end)
            text = reverse_complement(text) if document.strand == "-" else text
            assert b"".join(sequences.sentences(document)) == text
            assert sum(document.sentence_lengths) == document.end - document.start
    for marks in owner.values():
        assert set(np.unique(marks)) <= {0, 1, 2, 4}


def test_regions_around_transcription_starts(make_genome, settings, tmp_path: Path) -> None:
    import gzip

    contigs = {name: random_dna(5_000, seed) for seed, name in enumerate("vta")}
    genome = make_genome(tmp_path / "toy", contigs)
    annotation = tmp_path / "annotation.gff3.gz"
    rows = [
        f"{c}\tx\tgene\t2001\t3000\t.\t{s}\t.\tID=g{c}" for c, s in zip("vta", "+-+", strict=True)
    ]
    annotation.write_bytes(gzip.compress(("##gff-version 3\n" + "\n".join(rows) + "\n").encode()))
    made = settings(
        {"contigs": ["v"]}, {"contigs": ["t"]}, homology=NONE, **long(max_offset=0),
        regions={"around_tss": [500, 300]},
    )  # fmt: skip
    build_corpus(
        {"toy": genome}, tmp_path / "corpus", made, seed=1, annotations={"toy": annotation}
    )
    expected = {"train": (1_500, 2_300), "valid": (1_500, 2_300), "test": (2_700, 3_500)}
    for split, (start, end) in expected.items():
        found = documents(tmp_path / "corpus", split)
        assert min(d.start for d in found) == start
        assert max(d.end for d in found) == end


def write_vcf(path: Path, text: str, contig: str, seed: int) -> None:
    generator = random.Random(seed)
    lines = [
        "##fileformat=VCFv4.2", f"##contig=<ID={contig},length={len(text)}>",
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tann\tbob\teve",
    ]  # fmt: skip
    place = 5
    while place < len(text) - 20:
        reference = text[place : place + generator.choice([1, 1, 1, 4])]
        kind = generator.random()
        alternative = generator.choice([b for b in "ACGT" if b != reference[0]])
        if kind < 0.2:
            alternative = reference + random_dna(generator.randint(1, 9), place)
        elif kind < 0.4 and len(reference) > 1:
            alternative = reference[0]
        calls = "\t".join(generator.choice(["0|0", "0|1", "1|0", "1|1", ".|1"]) for _ in range(3))
        lines.append(
            f"{contig}\t{place + 1}\t.\t{reference}\t{alternative}\t.\tPASS\t.\tGT\t{calls}"
        )
        place += generator.randint(6, 60)
    path.write_text("\n".join(lines) + "\n")


def naive_haplotype(text: str, vcf: Path, sample: int, haplotype: int) -> list[str]:
    """Return what stands at each base of the reference: none, one or several letters."""
    letters = list(text)
    for line in vcf.read_text().splitlines():
        cells = line.split("\t")
        if line.startswith("#") or cells[9 + sample].split("|")[haplotype] != "1":
            continue
        place, reference, alternative = int(cells[1]) - 1, cells[3], cells[4]
        for i in range(len(reference)):
            letters[place + i] = alternative[i : i + 1]
        letters[place + len(reference) - 1] += alternative[len(reference) :]
    return letters


def test_haplotypes_are_what_the_vcf_says(make_genome, settings, tmp_path: Path) -> None:
    contigs = {name: random_dna(6_000, seed) for seed, name in enumerate("vta")}
    genome = make_genome(tmp_path / "toy", contigs)
    vcfs = {name: tmp_path / f"{name}.vcf" for name in contigs}
    for seed, (name, vcf) in enumerate(vcfs.items()):
        write_vcf(vcf, contigs[name], name, seed)
    store = tmp_path / "haplotypes"
    build_store(list(vcfs.values()), Genome(genome), ["eve", "ann"], store)
    made = settings(
        {"contigs": ["v"]}, {"contigs": ["t"]}, homology=NONE, **long(),
        variants={"vcf": [str(vcf) for vcf in vcfs.values()], "samples": ["eve", "ann"]},
    )  # fmt: skip
    build_corpus({"toy": genome}, tmp_path / "corpus", made, seed=1, haplotypes=store)
    sequences = Sequences({"toy": genome}, store)
    numbers = {"ann": 0, "eve": 2}
    cache, seen = {}, set()
    for split in SPLITS:
        for document in documents(tmp_path / "corpus", split):
            key = (document.contig, document.sample, document.haplotype)
            if key not in cache:
                cache[key] = naive_haplotype(
                    contigs[document.contig], vcfs[document.contig], numbers[document.sample],
                    document.haplotype,
                )  # fmt: skip
            place = document.start if document.strand == "+" else document.end
            for sentence, length in zip(
                sequences.sentences(document), document.sentence_lengths, strict=True
            ):
                left, right = (place, place + length) if document.strand == "+" else (
                    place - length, place)  # fmt: skip
                expected = "".join(cache[key][left:right]).encode()
                if document.strand == "-":
                    expected = reverse_complement(expected)
                assert sentence == expected
                place = right if document.strand == "+" else left
            assert document.variants >= 1
            seen.add((document.strand, *key[1:]))
    assert len(seen) == 8  # both strands of both haplotypes of two people
    with pytest.raises(InputError, match="but no haplotypes are given"):
        Sequences({"toy": genome}).sentences(documents(tmp_path / "corpus")[0])


def test_lifted_holdouts(make_genome, settings, tmp_path: Path) -> None:
    held = {"v": random_dna(4_000, 1), "t": random_dna(4_000, 2)}
    reference = make_genome(tmp_path / "ref", held | {"a": random_dna(9_000, 3)})
    strain = random_dna(3_000, 4) + held["v"] + random_dna(30_000, 5) + held["t"]
    other = make_genome(tmp_path / "other", {"x": strain})
    rows = {
        "valid": "v:0-4000\t4000\t0\t4000\t+\tx\t41000\t3000\t7000\t4000\t4000\t60\ttp:A:P\n",
        "test": "t:0-4000\t4000\t0\t4000\t+\tx\t41000\t37000\t41000\t4000\t4000\t60\ttp:A:P\n",
    }
    files = {}
    for split, row in rows.items():
        files[split] = tmp_path / f"other.{split}.paf"
        files[split].write_text(row)
    made = settings(
        {"contigs": ["v"]}, {"contigs": ["t"]}, assemblies=("ref", "other"), homology=NONE
    )
    made = Corpus(**made.model_dump() | {
        "holdouts": made.holdouts.model_dump() | {"lift": {"reference": "ref"}}
    })  # fmt: skip
    genomes = {"ref": reference, "other": other}
    plan_corpus(genomes, tmp_path / "plan", made, alignments={"other": files})
    lines = (tmp_path / "plan" / "holdouts.tsv").read_text().splitlines()
    assert "other\tx\t3000\t7000\tvalid" in lines
    assert "other\tx\t37000\t41000\ttest" in lines
    files["test"].write_text("")
    with pytest.raises(InputError, match="nothing in assembly 'other' is like the test holdout"):
        plan_corpus(genomes, tmp_path / "plan", made, alignments={"other": files})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"shares": {"toy": 0.5}}, "must add up to 1"),
        ({"shares": {"other": 0.5}}, "'other' is none of `assemblies`"),
        ({"assemblies": ("toy", "b"), "shares": {"toy": 1.0}}, "less than 1"),
        ({"assemblies": ("toy", "b"), "variants": {"vcf": ["x.vcf"]}}, "of one assembly"),
        ({"regions": {}}, "either `bed` or `around_tss`"),
        ({"homology": {"min_length": 10}}, "greater than or equal to 31"),
    ],
)
def test_settings_that_do_not_go_together(settings, changes, named) -> None:
    with pytest.raises(ValidationError, match=named):
        settings({"contigs": ["v"]}, {"contigs": ["t"]}, **changes)
