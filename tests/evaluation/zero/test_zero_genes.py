"""Regions, sites and codons of genes on both strands, checked by hand."""

import numpy as np
import pytest

from pipeline_lib.evaluation.zero.genes import (
    REGIONS,
    codon_starts,
    read_regions,
    sites_of,
)
from pipeline_lib.finetuning.coding import Coding, Transcript

GFF = """##gff-version 3
c\t.\tchromosome\t1\t1000\t.\t.\t.\tID=c
c\t.\tgene\t101\t200\t.\t+\t.\tID=a
c\t.\tmRNA\t101\t200\t.\t+\t.\tID=a.1;Parent=a
c\t.\texon\t101\t130\t.\t+\t.\tParent=a.1
c\t.\texon\t151\t200\t.\t+\t.\tParent=a.1
c\t.\tCDS\t111\t130\t.\t+\t0\tID=p;Parent=a.1
c\t.\tCDS\t151\t190\t.\t+\t1\tID=p;Parent=a.1
c\t.\tncRNA_gene\t401\t450\t.\t-\t.\tID=r
c\t.\tncRNA\t401\t450\t.\t-\t.\tID=r.1;Parent=r
c\t.\texon\t401\t420\t.\t-\t.\tParent=r.1
c\t.\tpseudogene\t601\t610\t.\t-\t.\tID=o
"""


def test_regions_of_every_type(tmp_path):
    path = tmp_path / "annotation.gff3"
    path.write_text(GFF)
    regions = read_regions(path, {"c"}, promoter=30)["c"]
    names = np.array(REGIONS)[regions.of(0, 1000)]
    expected = np.full(1000, "intergenic", dtype=object)
    expected[70:100] = "promoter"
    expected[100:110] = expected[190:200] = "UTR"
    expected[110:130] = expected[150:190] = "CDS"
    expected[130:150] = "intron"
    expected[400:420] = "RNA exon"
    expected[420:450] = expected[600:610] = "other gene"
    expected[450:480] = expected[610:640] = "promoter"
    assert names.tolist() == expected.tolist()
    assert (np.array(REGIONS)[regions.of(105, 455)] == expected[105:455]).all()
    assert read_regions(path, {"other"}, promoter=30) == {}


FORWARD = Transcript("g", "+", ((10, 21), (50, 60), (90, 99)), 0)
REVERSE = Transcript("h", "-", ((80, 91), (40, 50), (5, 14)), 0)


@pytest.mark.parametrize("transcript", [FORWARD, REVERSE])
def test_sites_and_codons_are_where_the_sequence_says(transcript):
    """The letters of a transcript are its own numbers; sites are looked up in them."""
    forward = transcript.strand == "+"
    parts = [range(*part) if forward else range(part[1] - 1, part[0] - 1, -1)
             for part in transcript.parts]  # fmt: skip
    coding = [position for part in parts for position in part]
    sites = [
        (kind, place.position)
        for kind, place in sites_of(Coding([transcript, transcript]), "a", "c")
    ]
    step = 1 if forward else -1
    assert sites == [
        ("start", coding[0]),
        ("stop", coding[-3]),
        ("donor", parts[0][-1] + step),
        ("acceptor", parts[1][0] - 2 * step),
        ("donor", parts[1][-1] + step),
        ("acceptor", parts[2][0] - 2 * step),
    ]
    codons = [coding[i : i + 3] for i in range(0, len(coding), 3)]
    whole = [codon[0] for codon in codons if codon[2] == codon[0] + 2 * step]
    assert codon_starts(transcript).tolist() == whole[1:-1]
