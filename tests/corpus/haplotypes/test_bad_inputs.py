"""Every unusable input is a sentence that names the place, and leaves nothing behind."""

import gzip

import pysam
import pytest

from pipeline_lib.corpus.haplotypes.consensus import Haplotypes
from pipeline_lib.corpus.haplotypes.vcf import build_store
from pipeline_lib.errors import InputError

REFERENCE = {"20": "ACGTACGTNR" * 3, "21": "ACGT"}
SAMPLES = ["HG001", "HG002"]
GOOD = [
    ("20", 1, "C", "T", ["0|1", "1|1"]),
    ("20", 4, "A", "AT", ["0|0", "1|0"]),
    ("20", 6, "GT", "G", ["0|1", "0|0"]),
]


@pytest.fixture
def refused(tmp_path, memory_genome, to_vcf):
    """Return a function that gives the message about a file of this content."""

    def refuse(content, *, samples=None, records=None):
        if records is not None:
            content = to_vcf(records, SAMPLES)
        path, target = tmp_path / "bad.vcf", tmp_path / "out" / "store"
        target.parent.mkdir()
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(InputError) as caught:
            build_store([path], memory_genome(REFERENCE), samples, target)
        assert list(target.parent.iterdir()) == []
        assert caught.value.remedy
        return str(caught.value)

    return refuse


def with_record(contig, position, ref, alt, *genotypes):
    return [*GOOD, (contig, position, ref, alt, list(genotypes))]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (("20", 12, "T", "C", "0|1", "0|0"), "record 20:13: REF is T, but the genome has G here"),
        (("20", 13, "TT", "C", "0|1", "0|0"), "another build"),
        (("20", 13, "xN", "C", "0|1", "0|0"), "REF is XN"),
        (("20", 2, "G", "C", "0|1", "0|0"), "record 20:3: the record comes after 7: the file is"),
        (("20", 30, "A", "C", "0|1", "0|0"), "record 20:31: the record does not lie inside"),
        (("20", 29, "RA", "C", "0|1", "0|0"), "which has 30 bases"),
        (("20", -1, "N", "C", "0|1", "0|0"), "record 20:0: the record does not lie inside"),
        (("20", 12, "", "C", "0|1", "0|0"), "record 20:13: the record does not lie inside"),
        (("20", 12, "G", "C", "0|1", "0|2"), "'0|2' of sample 'HG002' names an allele"),
        (("20", 12, "G", ".", "0|1", "0|0"), "allele numbers up to 0"),
        (("20", 12, "G", "C", "0|1", "0|1|1"), "'0|1|1' of sample 'HG002' is not understood"),
        (("20", 12, "G", "C", "", "0|1"), "the genotype '' of sample 'HG001' is not understood"),
        (("20", 12, "G", "C", "x|1", "0|1"), "'x|1' of sample 'HG001' is not understood"),
        (("20", 12, "G", "C", "0|1"), "line 11: the line has 10 columns, the header has 11"),
        (("20", 12, "G", "C", "0|1", "0|1", "0|1"), "line 11: the line has 12 columns"),
        (("", 12, "G", "C", "0|1", "0|1"), "line 12: CHROM and POS are '\\t13'"),
    ],
)
def test_bad_records(refused, record, message):
    assert message in refused("", records=with_record(*record))


def test_positions_that_are_no_numbers(refused, to_vcf):
    content = to_vcf(GOOD, SAMPLES)
    assert "CHROM and POS are '20\\t7.0'" in refused(content.replace("20\t7\t", "20\t7.0\t"))


def test_genotypes_missing_from_format(refused, to_vcf):
    content = to_vcf(GOOD, SAMPLES).replace("\tGT:DP\t", "\tDS:DP\t")
    assert "record 20:2: FORMAT is 'DS:DP'; expected GT" in refused(content)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (["HG001", "HG003"], "no sample 'HG003'; the nearest names are 'HG00"),
        (["x", "y"], "(and 1 more of those wanted)"),
    ],
)
def test_unknown_samples(refused, samples, message):
    assert message in refused("", records=GOOD, samples=samples)


@pytest.mark.parametrize(
    ("samples", "message"),
    [([], "the list of samples is empty"), (["a", "b", "a"], "samples are named twice: 'a'")],
)
def test_unusable_lists_of_samples(tmp_path, memory_genome, vcf_file, samples, message):
    path = vcf_file(GOOD, SAMPLES)
    with pytest.raises(InputError, match=message):
        build_store([path], memory_genome(REFERENCE), samples, tmp_path / "store")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "the file is empty"),
        (lambda text: "<!DOCTYPE html><html></html>", "this is a web page"),
        (lambda text: text[text.index("20\t2") :], "has no VCF header: the first line begins"),
        (lambda text: "\n".join(text.split("\n")[1:]), "has no VCF header"),
        (lambda text: text[:90], "the file ends before the line #CHROM"),
        (lambda text: text.replace("#CHROM", "##CHROM"), "comes before the line #CHROM"),
        (lambda text: text[: text.index("\tFORMAT")], "the file has no samples"),
        (lambda text: text[: text.index("\tHG001")], "the file has no samples"),
        (lambda text: text[: text.index("20\t2")], "there are no variant records"),
        (lambda text: text.replace("HG002", "HG001"), "samples stand twice in the header: 'HG001'"),
        (lambda text: text.replace("POS\tID", "POS ID"), "separated by tabs"),
        (lambda text: text.replace("20\t", "7\t"), "contigs with variants ('7') is in the genome"),
    ],
)
def test_bad_files(refused, to_vcf, change, message):
    assert message in refused(change(to_vcf(GOOD, SAMPLES)))


@pytest.mark.parametrize("kept", [0.3, 0.9])
@pytest.mark.parametrize("kind", ["gzip", "bgzip", "bcf"])
def test_truncated_files(refused, tmp_path, vcf_file, kind, kept):
    source, path = vcf_file(GOOD, SAMPLES), tmp_path / "whole"
    if kind == "gzip":
        content = gzip.compress(source.read_bytes())
    else:
        mode = "wb" if kind == "bcf" else "wz"
        with (
            pysam.VariantFile(str(source)) as records,
            pysam.VariantFile(str(path), mode, header=records.header) as target,
        ):
            for record in records:
                target.write(record)
        content = path.read_bytes()
    assert "truncated" in refused(content[: int(len(content) * kept)])


def test_a_missing_file(tmp_path, memory_genome):
    with pytest.raises(InputError, match="does not exist"):
        build_store([tmp_path / "no.vcf"], memory_genome(REFERENCE), None, tmp_path / "store")
    with pytest.raises(InputError, match="no variant files are given"):
        build_store([], memory_genome(REFERENCE), None, tmp_path / "store")


def test_contigs_that_are_scattered(refused):
    records = [GOOD[0], ("21", 1, "C", "T", ["0|1", "1|1"]), GOOD[1]]
    assert "the records of '20' are not together" in refused("", records=records)


def test_contigs_in_two_files(tmp_path, memory_genome, vcf_file):
    first, second = vcf_file(GOOD[:2], SAMPLES), vcf_file(GOOD[2:], SAMPLES)
    with pytest.raises(InputError, match=f"was already found as '20' in {first.name}"):
        build_store([first, second], memory_genome(REFERENCE), None, tmp_path / "store")


def test_folders_that_are_no_stores(tmp_path):
    with pytest.raises(InputError, match="this is no store of haplotypes"):
        Haplotypes(tmp_path)
    (tmp_path / "stats.json").write_text("[]")
    with pytest.raises(InputError, match="this is no store of haplotypes"):
        Haplotypes(tmp_path)


def test_damaged_stores(tmp_path, memory_genome, vcf_file):
    build_store([vcf_file(GOOD, SAMPLES)], memory_genome(REFERENCE), None, tmp_path / "store")
    stored = Haplotypes(tmp_path / "store")
    with pytest.raises(InputError, match="'22' is not in the genome of the store"):
        stored.window("22", 0, 1)
    with pytest.raises(InputError, match="does not lie inside the contig"):
        stored.window("20", 0, 31)
    with pytest.raises(IndexError, match="no haplotype 2"):
        stored.window("20", 0, 30).count(0, 2)
    with pytest.raises(ValueError, match="3 bases for the window"):
        stored.window("20", 0, 30).consensus(b"ACG", 0, 0)
    with pytest.raises(ValueError, match="outside of the window"):
        stored.window("20", 0, 4).consensus(b"ACGT", 0, 0)[1]([5])
    file = tmp_path / "store" / "20.parquet"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        Haplotypes(tmp_path / "store").window("20", 0, 30)
