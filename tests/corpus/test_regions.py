"""Regions of a corpus: intervals of BED files, and windows around transcription starts."""

import gzip
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline_lib.corpus.regions import bed_regions, transcription_starts, tss_regions
from pipeline_lib.errors import InputError
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import Intervals

LENGTHS = {"chr1": 300, "chr2": 120}


def spans(found: Intervals) -> list[tuple[int, int]]:
    return list(zip(found.starts.tolist(), found.ends.tolist(), strict=True))


def gff(path: Path, *lines: str) -> Path:
    """Write lines of `contig type start end strand attributes`, 1-based."""
    rows = []
    for line in lines:
        contig, type_, start, end, strand, *attributes = line.split()
        last = attributes[0] if attributes else "."
        rows.append("\t".join([contig, "x", type_, start, end, ".", strand, ".", last]))
    path.write_text("##gff-version 3\n" + "".join(f"{row}\n" for row in rows))
    return path


# --- BED -------------------------------------------------------------------------------------


@pytest.fixture
def genomes(tmp_path: Path, make_genome) -> dict[str, Genome]:
    contigs = {"chr1": "ACGT" * 75, "chr2": "ACGT" * 30, "tiny": "ACGT"}
    return {
        name: Genome(make_genome(tmp_path / name, contigs, min_contig_length=10)) for name in "ab"
    }


def test_bed_lines_of_a_name(genomes, tmp_path: Path) -> None:
    bed = tmp_path / "sequences.bed"
    bed.write_text(
        "chr1\t0\t10\ttrain\nchr1\t5\t20\ttrain\t0\t+\nchr1\t30\t40\tvalid\r\na:chr2\t1\t9\ttrain\n"
        "tiny\t0\t4\ttrain\n"
    )
    regions = {place: spans(one) for place, one in bed_regions(bed, genomes, "train").items()}
    assert regions == {
        ("a", "chr1"): [(0, 20)],
        ("b", "chr1"): [(0, 20)],
        ("a", "chr2"): [(1, 9)],
    }
    assert spans(bed_regions(bed, genomes, "valid")["b", "chr1"]) == [(30, 40)]
    assert spans(bed_regions(bed, genomes)["a", "chr1"]) == [(0, 20), (30, 40)]
    with bed.open("rb") as plain, gzip.open(tmp_path / "sequences.bed.gz", "wb") as packed:
        packed.write(plain.read())
    again = bed_regions(tmp_path / "sequences.bed.gz", genomes, "train")
    assert {place: spans(one) for place, one in again.items()} == regions


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("chr1\t0\t10\ttrain\n", "test", "no interval is named 'test'.*there is 'train'"),
        ("chr1\t0\t10\n", "test", "no interval is named 'test'"),
        ("# nothing\n", None, "no interval on a kept contig"),
        ("tiny\t0\t4\ttrain\n", "train", "no interval on a kept contig"),
        ("chr1\t0\t301\n", None, "line 1.*ends past the contig's end"),
        ("chr1 0 301\n", None, "line 1.*cannot read"),
        ("chr3\t0\t30\n", None, "line 1.*'chr3' names no contig"),
    ],
)
def test_bad_beds_are_named(genomes, tmp_path: Path, text: str, name, message: str) -> None:
    bed = tmp_path / "sequences.bed"
    bed.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        bed_regions(bed, genomes, name)
    assert str(bed) in str(caught.value)


# --- transcription starts --------------------------------------------------------------------


def test_starts_of_all_kinds(tmp_path: Path) -> None:
    path = gff(
        tmp_path / "a.gff3",
        "chr1 chromosome 1 300 . ID=chr1",
        "chr1 gene 11 90 + ID=g1",
        "chr1 mRNA 11 90 + ID=t1;Parent=g1",
        "chr1 mRNA 21 90 + ID=t2;Parent=g1",
        "chr1 lnc_RNA 11 60 + ID=t3;Parent=g1",  # a start that is there already
        "chr1 exon 31 90 + Parent=t1,t2",
        "chr1 CDS 31 80 + Parent=t1,t2",
        "chr1 pseudogenic_transcript 101 150 - ID=t4;Parent=p1",  # before its gene
        "chr1 pseudogene 101 160 - ID=p1",
        "chr1 pseudogene 171 180 - ID=p2",  # without a transcript
        "chr1 gene 191 220 - ID=g2",  # without a transcript, with a CDS
        "chr1 CDS 191 220 - Parent=g2",
        "chr1 gene 231 240 .",  # without a strand
        "chr1 gene 241 250 +",  # without an identifier
        "chr1 transcript 251 260 +",  # without a gene
        "chr1 miRNA 15 20 + Parent=t1",  # part of a transcript
        "chr1 repeat_region 261 270 +",
        "chr2 gene 1 9 + ID=g3",
        "chr2 V_gene_segment 3 9 + Parent=g3",
    )
    assert transcription_starts(path) == {
        ("chr1", 10, "+"), ("chr1", 20, "+"), ("chr1", 149, "-"), ("chr1", 179, "-"),
        ("chr1", 219, "-"), ("chr1", 240, "+"), ("chr1", 250, "+"), ("chr2", 2, "+"),
    }  # fmt: skip


def test_windows_by_hand(tmp_path: Path) -> None:
    genome = SimpleNamespace(contigs=LENGTHS)
    path = gff(tmp_path / "a.gff3", "chr1 gene 101 110 +", "chr1 gene 191 200 -")
    assert spans(tss_regions(path, genome, 16, 8)["chr1"]) == [(84, 108), (192, 216)]
    assert spans(tss_regions(path, genome, 160, 8)["chr1"]) == [(0, 108), (192, 300)]
    assert spans(tss_regions(path, genome, 70, 60)["chr1"]) == [(30, 270)]
    assert spans(tss_regions(path, genome, 16_000, 8_000)["chr1"]) == [(0, 300)]


genes = st.lists(
    st.tuples(
        st.sampled_from(sorted(LENGTHS)),
        st.integers(1, 120),
        st.integers(1, 120),
        st.sampled_from("+-"),
        st.sampled_from(["gene", "pseudogene", "ncRNA_gene", "mRNA"]),
        st.lists(st.integers(1, 120), max_size=3),  # 5' ends of its transcripts
    ),
    min_size=1,
    max_size=6,
)


@given(genes=genes, upstream=st.integers(0, 50), downstream=st.integers(1, 50))
@hypothesis_settings(max_examples=150, deadline=None)
def test_windows_are_those_found_base_by_base(
    tmp_path_factory, genes, upstream: int, downstream: int
) -> None:
    lines, covered = [], {contig: np.zeros(length, bool) for contig, length in LENGTHS.items()}
    for number, (contig, one, other, strand, type_, ends) in enumerate(genes):
        start, end = sorted((one, other))
        lines.append(f"{contig} {type_} {start} {end} {strand} ID=g{number}")
        ends = [] if type_ == "mRNA" else ends
        for first in ends:
            pair = (first, 120) if strand == "+" else (1, first)
            lines.append(f"{contig} mRNA {pair[0]} {pair[1]} {strand} Parent=g{number}")
        for first in ends or [start if strand == "+" else end]:
            for base in range(1, LENGTHS[contig] + 1):
                # Position relative to the start, along the strand: -1 is the base before it.
                relative = base - first if strand == "+" else first - base
                covered[contig][base - 1] |= -upstream <= relative < downstream
    lines.sort(key=hash)  # no order is promised
    path = gff(tmp_path_factory.mktemp("genes") / "a.gff3", *lines)
    found = tss_regions(path, SimpleNamespace(contigs=LENGTHS), upstream, downstream)
    for contig, expected in covered.items():
        flags = np.zeros(len(expected), bool)
        for start, end in spans(found[contig]) if contig in found else []:
            flags[start:end] = True
        assert np.array_equal(flags, expected)


def test_wrong_annotations_are_named(tmp_path: Path) -> None:
    genome = SimpleNamespace(contigs=LENGTHS)
    path = gff(tmp_path / "a.gff3", "chr1 exon 1 9 +")
    with pytest.raises(InputError, match=r"a\.gff3: has neither genes nor transcripts"):
        tss_regions(path, genome)
    for line in ("chr3 gene 1 9 +", "chr2 gene 200 210 +"):
        gff(path, line)
        with pytest.raises(InputError, match=r"a\.gff3: a transcript starts at base .*chr[23]"):
            tss_regions(path, genome)


def test_starts_of_the_real_annotation(resources: Path, tmp_path: Path) -> None:
    from pipeline_lib.config.genome import Assembly
    from pipeline_lib.genome.annotation import prepare_annotation
    from pipeline_lib.genome.prepare import prepare_genome

    source = resources / "S288C_R64-2-1.fa.gz"
    prepare_genome(source, tmp_path / "yeast", Assembly(path=str(source)), name="yeast")
    prepare_annotation(resources / "S288C_R64-1-1.99.gff3.gz", tmp_path / "yeast")
    genome, annotation = Genome(tmp_path / "yeast"), tmp_path / "yeast" / "annotation.gff3.gz"
    starts = transcription_starts(annotation)
    assert 6_900 < len(starts) < 7_130  # genes, few of which share a start; one isoform each
    assert sum(contig == genome.resolve("I") for contig, *_ in starts) > 100
    # YAL069W is the first open reading frame of chromosome I: 335 to 649.
    assert (genome.resolve("I"), 334, "+") in starts
    close = tss_regions(annotation, genome, 100, 50)
    bases = sum(one.bases for one in close.values())
    assert 100 * len(starts) < bases < 150 * len(starts)
    # The genes of yeast are 2 kb apart: the published windows cover all of its chromosomes.
    wide = tss_regions(annotation, genome)
    assert set(wide) <= set(genome.contigs)
    assert all(spans(one)[0][0] == 0 for one in wide.values())
    assert sum(one.bases for one in wide.values()) > 0.999 * sum(genome.contigs.values())
