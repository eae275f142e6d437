"""Random references, records and windows against an oracle that handles one base at a time."""

import functools
import gzip
import itertools
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_lib.corpus.haplotypes import sites, store, text
from pipeline_lib.corpus.haplotypes.consensus import Haplotypes
from pipeline_lib.corpus.haplotypes.vcf import build_store

SAMPLES = ["s0", "s1"]
ANY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MANY = settings(ANY, max_examples=200)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Blocks, groups and chunks so small that the seams between them are tested."""
    monkeypatch.setattr(store, "ROWS_PER_GROUP", 3)
    monkeypatch.setattr(sites, "CHUNK", 5)
    monkeypatch.setattr(text, "read_blocks", functools.partial(text.read_blocks, size=61))


@st.composite
def alternatives(draw, ref):
    letters = st.text("ACGTN", min_size=1, max_size=4)
    kinds = st.sampled_from(["any", "insert", "delete", "snv", "odd"])
    found = []
    for _ in range(draw(st.integers(1, 3))):
        match draw(kinds):
            case "any":
                new = draw(letters)
            case "insert":
                new = ref[:1] + draw(letters) + ref[1:]
            case "delete":
                new = ref[:1] + ref[draw(st.integers(1, 4)) :]
            case "snv":
                new = draw(st.sampled_from("ACGT")) + ref[1:]
            case _:
                new = draw(st.sampled_from(["<DEL>", "*", "A[2:5[", "R", "a", ".A", "<*>"]))
        found.append(new)
    return found


@st.composite
def cases(draw, usual=False):
    """Return a reference and the records of two samples."""
    reference = draw(st.text("ACGT" if usual else "ACGTacgtN", min_size=1, max_size=40))
    records = []
    position = 0
    while True:
        position += draw(st.sampled_from([0, 0, 1, 1, 2, 3, 5]))
        if position >= len(reference) or len(records) > 15:
            return reference, records
        ref = reference[position : position + draw(st.sampled_from([1, 1, 1, 2, 3, 6]))].upper()
        alts = draw(alternatives(ref))
        allele = st.one_of(st.just("."), st.integers(0, len(alts)).map(str))
        pair = st.tuples(allele, st.sampled_from("|||/"), allele).map("".join)
        genotype = pair if usual else st.one_of(pair, pair, allele, pair.map(lambda gt: gt + ":7"))
        calls = [draw(genotype) for _ in SAMPLES]
        records.append(("20", position, ref, ",".join(alts), calls))


@pytest.fixture
def build(memory_genome, to_vcf):
    def make(folder, reference, records, samples=SAMPLES, **settings):
        path = Path(folder) / "in.vcf"
        path.write_text(to_vcf(records, SAMPLES))
        genome = memory_genome({"20": reference})
        return build_store([path], genome, samples, Path(folder) / "store", **settings)

    return make


@MANY
@given(case=cases(), keep=st.booleans(), data=st.data())
def test_every_window_equals_the_oracle(build, oracle, case, keep, data):
    reference, records = case
    if not records:
        return
    with tempfile.TemporaryDirectory() as folder:
        build(folder, reference, records, unphased="keep" if keep else "reference")
        haplotypes = Haplotypes(Path(folder) / "store")
        cuts = data.draw(st.lists(st.integers(0, len(reference)), max_size=6))
        borders = sorted({0, len(reference), *cuts})
        for sample in range(2):
            for haplotype in range(2):
                cells = oracle(reference, records, sample, haplotype, keep_unphased=keep)
                parts = []
                for start, end in itertools.pairwise(borders):
                    window = haplotypes.window("20", start, end)
                    part, lift = window.consensus(reference[start:end].encode(), sample, haplotype)
                    lengths = [len("".join(cells[start:b])) for b in range(start, end + 1)]
                    assert part.decode() == "".join(cells[start:end])
                    assert lift(range(start, end + 1)).tolist() == lengths
                    parts.append(part)
                whole, _ = haplotypes.window("20", 0, len(reference)).consensus(
                    reference.encode(), sample, haplotype
                )
                assert b"".join(parts) == whole


@ANY
@given(case=cases(), samples=st.sampled_from([["s1"], ["s1", "s0"], None]))
def test_other_choices_of_samples(build, oracle, case, samples):
    reference, records = case
    if not records:
        return
    with tempfile.TemporaryDirectory() as folder:
        stats = build(folder, reference, records, samples)
        haplotypes = Haplotypes(Path(folder) / "store")
        assert haplotypes.samples == stats["samples"] == (samples or SAMPLES)
        window = haplotypes.window("20", 0, len(reference))
        for number, name in enumerate(haplotypes.samples):
            for haplotype in range(2):
                found, _ = window.consensus(reference.encode(), number, haplotype)
                cells = oracle(reference, records, SAMPLES.index(name), haplotype)
                assert found.decode() == "".join(cells)
        applied = sum(window.count(s, h) for s in range(len(haplotypes.samples)) for h in (0, 1))
        assert applied == stats["counts"].get("applied", 0)


@ANY
@given(case=cases())
def test_bcf_and_bgzip_make_the_same_store(build, memory_genome, to_vcf, case):
    reference, records = case
    if not records:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder, reference, records)
        wanted = pq.read_table(folder / "store" / "20.parquet")
        genome = memory_genome({"20": reference})
        for mode, suffix in (("wb", "bcf"), ("wz", "vcf.gz")):
            path = folder / f"copy.{suffix}"
            with (
                pysam.VariantFile(str(folder / "in.vcf")) as source,
                pysam.VariantFile(str(path), mode, header=source.header) as target,
            ):
                for record in source:
                    target.write(record)
            build_store([path], genome, SAMPLES, folder / suffix)
            assert pq.read_table(folder / suffix / "20.parquet") == wanted
            path.write_bytes(gzip.decompress(path.read_bytes()))
            build_store([path], genome, SAMPLES, folder / suffix)
            assert pq.read_table(folder / suffix / "20.parquet") == wanted


@ANY
@given(case=cases())
def test_missing_ends_of_lines_make_no_difference(build, memory_genome, to_vcf, case):
    reference, records = case
    if not records:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build(folder, reference, records)
        path = folder / "windows.vcf"
        content = to_vcf(records, SAMPLES).replace("\n", "\r\n") + "\r\n"
        path.write_bytes(content.encode())
        build_store([path], memory_genome({"20": reference}), None, folder / "again")
        path.write_bytes(content.rstrip().encode())
        build_store([path], memory_genome({"20": reference}), None, folder / "third")
        tables = [pq.read_table(folder / d / "20.parquet") for d in ("store", "again", "third")]
        assert tables[0] == tables[1] == tables[2]
