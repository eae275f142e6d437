"""What becomes of each kind of call, and reading the store again."""

import json
import pickle

import pyarrow.parquet as pq
import pytest

from pipeline_lib.corpus.haplotypes import store
from pipeline_lib.corpus.haplotypes.consensus import Haplotypes
from pipeline_lib.corpus.haplotypes.vcf import build_store
from pipeline_lib.corpus.haplotypes.walk import keeps_anchor
from pipeline_lib.errors import InputError
from pipeline_lib.genome.reader import Genome

REFERENCE = "ACGTACGTACGTacgtacgt" * 5
ONE = ["A"]


@pytest.fixture
def made(tmp_path, memory_genome, vcf_file):
    """Return a function that builds a store and gives its statistics and haplotypes."""

    def make(records, samples=ONE, **settings):
        genome = memory_genome({"20": REFERENCE, "21": "ACGT"})
        stats = build_store([vcf_file(records, samples)], genome, None, tmp_path / "s", **settings)
        return stats, Haplotypes(tmp_path / "s")

    return make


def both(haplotypes, start, end, sample=0):
    window = haplotypes.window("20", start, end)
    reference = REFERENCE[start:end].encode()
    return tuple(window.consensus(reference, sample, number)[0].decode() for number in (0, 1))


@pytest.mark.parametrize(
    ("alt", "genotype", "counts", "sequences"),
    [
        ("T", "0|1", {"applied": 1}, ("CGTA", "TGTA")),
        ("t", "1|1", {"applied": 2}, ("TGTA", "TGTA")),
        ("T,G", "2|1", {"applied": 2}, ("GGTA", "TGTA")),
        ("T", "1/1", {"applied": 2}, ("TGTA", "TGTA")),
        ("T", "0/1", {"unphased": 1}, ("CGTA", "CGTA")),
        ("T", ".|1", {"applied": 1, "missing": 1}, ("CGTA", "TGTA")),
        ("T", "./.", {"missing": 2}, ("CGTA", "CGTA")),
        ("T", ".", {"missing": 2}, ("CGTA", "CGTA")),
        ("T", "1", {"applied": 1, "absent": 1}, ("TGTA", "CGTA")),
        ("<DEL>", "1|1", {"symbolic": 2}, ("CGTA", "CGTA")),
        ("*,T", "1|2", {"spanning_deletion": 1, "applied": 1}, ("CGTA", "TGTA")),
        ("C[20:9[", "0|1", {"breakend": 1}, ("CGTA", "CGTA")),
        (".C", "0|1", {"breakend": 1}, ("CGTA", "CGTA")),
        ("R", "0|1", {"other_letters": 1}, ("CGTA", "CGTA")),
        ("c", "0|1", {"same_as_reference": 1}, ("CGTA", "CGTA")),
        ("N", "0|1", {"applied": 1}, ("CGTA", "NGTA")),
        ("CTT", "0|1", {"applied": 1}, ("CGTA", "CTTGTA")),
    ],
)
def test_kinds_of_calls(made, alt, genotype, counts, sequences):
    stats, haplotypes = made([("20", 1, "C", alt, [genotype])])
    assert stats["counts"] == counts
    assert both(haplotypes, 1, 5) == sequences
    assert json.loads((haplotypes.directory / "stats.json").read_text()) == stats


def test_unphased_calls_may_be_kept(made):
    stats, haplotypes = made([("20", 1, "C", "T", ["0/1"])], unphased="keep")
    assert stats["counts"] == {"unphased": 1, "applied": 1}
    assert both(haplotypes, 1, 3) == ("CG", "TG")


@pytest.mark.parametrize(
    ("first", "second", "sequence"),
    [
        (("C", "T"), ("C", "CAA"), "TAAGTA"),  # an insertion shares only its anchor
        (("C", "T"), ("CG", "C"), "TTA"),  # so does a deletion
        (("C", "CA"), ("C", "CG"), "CAGTA"),  # not after an insertion
        (("C", "CA"), ("C", "T"), "CAGTA"),
        (("CG", "C"), ("G", "GA"), "CATA"),  # after the last deleted base
        (("CG", "C"), ("G", "A"), "CTA"),
        (("CGT", "C"), ("G", "GA"), "CA"),
        (("CG", "TT"), ("G", "GA"), "TTATA"),
    ],
)
def test_overlapping_records(made, first, second, sequence):
    place = {"C": 1, "G": 2}
    records = [("20", place[ref[0]], ref, alt, ["1|0"]) for ref, alt in (first, second)]
    _, haplotypes = made(records)
    assert both(haplotypes, 1, 5) == (sequence, "CGTA")


def test_an_allele_that_was_left_out_does_not_block_the_next(made):
    records = [("20", 1, "CGT", ref, ["1|0"]) for ref in ("C", "CG")]
    records += [("20", 3, "T", "G", ["1|0"]), ("20", 4, "A", "G", ["1|0"])]
    stats, haplotypes = made(records)
    assert stats["counts"] == {"applied": 2, "overlapping": 2}
    assert both(haplotypes, 0, 6)[0] == "ACGC"


@pytest.mark.parametrize(
    ("reference", "alternative", "kept"),
    [
        ("A", "AC", True),
        ("ATC", "AC", True),
        ("ACC", "AC", True),
        ("AC", "A", True),
        ("AC", "C", False),
        ("AC", "AG", False),
        ("AC", "ATG", False),
        ("A", "A", False),
    ],
)
def test_anchors(reference, alternative, kept):
    assert keeps_anchor(reference.encode(), alternative.encode()) is kept


def test_only_rows_that_change_something_are_stored(made):
    genotypes = ["0|0", "0|0", "0", "0", "1", "0|0", "0|0", "0|1"]
    _, haplotypes = made([("20", 4 * n, "A", "G", [gt]) for n, gt in enumerate(genotypes)])
    table = pq.read_table(haplotypes.directory / "20.parquet").to_pydict()
    assert table["position"] == [8, 16, 20, 28]
    assert table["calls"] == [[0, -1], [1, -1], [0, 0], [0, 1]]
    assert table["alleles"] == [[], ["G"], [], ["G"]]
    absent = [haplotypes.window("20", 4 * n, 4 * n + 1).absent(0, 1) for n in range(9)]
    assert absent == [gt in "01" for gt in genotypes] + [False]
    assert not any(haplotypes.window("20", n, n + 1).absent(0, 0) for n in range(40))


@pytest.mark.parametrize("rows", [1, 2, 4_096])
def test_a_long_deletion_reaches_over_groups_of_rows(made, monkeypatch, rows):
    monkeypatch.setattr(store, "ROWS_PER_GROUP", rows)
    deletion = ("20", 8, REFERENCE[8:78].upper(), REFERENCE[8].upper(), ["1|0"])
    snvs = [("20", 20 + 4 * n, "A", "G", ["1|1"]) for n in range(16)]
    stats, haplotypes = made([deletion, *snvs])
    assert stats["counts"] == {"applied": 18, "overlapping": 15}
    assert both(haplotypes, 74, 82) == ("gtGC", "gtGcgtGC")
    assert haplotypes.window("20", 76, 78).count(0, 0) == 1


def test_counts_and_differences(made):
    records = [("20", 4, "A", "G", ["0|1", "1|1"]), ("20", 8, "A", "G", ["0|0", "1|1"])]
    _, haplotypes = made(records, ["A", "B"])
    window = haplotypes.window("20", 0, 100)
    assert [window.count(s, h) for s in (0, 1) for h in (0, 1)] == [0, 1, 2, 2]
    assert [window.differs(), window.differs(0), window.differs(1)] == [True, True, False]
    assert not haplotypes.window("20", 20, 40).differs()
    assert not haplotypes.window("21", 0, 4).differs()
    assert haplotypes.window("20", 0, 100) is window


def test_a_prepared_genome_and_its_aliases(tmp_path, make_genome, vcf_file):
    genome = Genome(make_genome(tmp_path / "toy", {"chr1": "ACGTNRACGT", "chr2": "AC"}))
    records = [
        ("1", 1, "C", "T", ["0|1"]),
        ("1", 4, "A", "T", ["0|1"]),  # N in the genome goes with anything
        ("1", 5, "C", "T", ["0|1"]),  # and so do ambiguity codes
        ("MT", 5, "C", "T", ["1"]),
        ("2", 1, "C", "CG", ["1|1"]),
    ]
    stats = build_store([vcf_file(records, ONE)], genome, None, tmp_path / "store")
    assert stats["records_of_other_contigs"] == {"MT": 1}
    assert list(stats["files"]) == ["chr1", "chr2"]
    stored = pickle.loads(pickle.dumps(Haplotypes(tmp_path / "store")))
    sequence, lift = stored.window("chr1", 0, 10).consensus(genome.fetch("chr1", 0, 10), 0, 1)
    assert sequence == b"ATGTTTACGT"
    assert lift([[0, 4], [7, 10]]).tolist() == [[0, 4], [7, 10]]
    assert stored.window("chr2", 1, 2).consensus(b"C", 0, 0)[0] == b"CG"


def test_files_by_chromosome(tmp_path, memory_genome, vcf_file):
    genome = memory_genome({"20": REFERENCE, "21": "ACGT"})
    first = vcf_file([("20", 0, "A", "G", ["0|1", "1|0"])], ["A", "B"])
    second = vcf_file([("21", 0, "A", "G", ["0|1", "1|0"])], ["B", "A"])
    build_store([first, second], genome, None, tmp_path / "store")
    stored = Haplotypes(tmp_path / "store")
    assert stored.samples == ["A", "B"]
    for contig, wanted in (("20", b"A"), ("21", b"G")):
        assert stored.window(contig, 0, 1).consensus(b"A", 0, 0)[0] == wanted
    third = vcf_file([("21", 0, "A", "G", ["0|1", "1|0"])], ["B", "C"])
    with pytest.raises(InputError, match="there is no sample 'A'"):
        build_store([first, third], genome, None, tmp_path / "store")
    assert Haplotypes(tmp_path / "store").samples == ["A", "B"]  # the earlier one is untouched


def test_hundreds_of_alternatives(made):
    alts = [f"A{'ACGT'[n % 4] * (n // 4 + 1)}" for n in range(120)]
    calls = [["120|99"], ["101|0"]]
    _, haplotypes = made([("20", 4 + 4 * n, "A", ",".join(alts), gt) for n, gt in enumerate(calls)])
    table = pq.read_table(haplotypes.directory / "20.parquet").to_pydict()
    assert table["alleles"] == [[alts[98], alts[119]], [alts[100]]]
    assert table["calls"] == [[2, 1], [1, 0]]
