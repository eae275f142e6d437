"""NCBI assembly reports."""

import pytest

from pipeline_lib.errors import InputError
from pipeline_lib.genome.report import AssemblyReport

COLUMNS = (
    "# Sequence-Name\tSequence-Role\tAssigned-Molecule\tAssigned-Molecule-Location/Type\t"
    "GenBank-Accn\tRelationship\tRefSeq-Accn\tAssembly-Unit\tSequence-Length\tUCSC-style-name"
)
ROWS = [
    "1\tassembled-molecule\t1\tChromosome\tCP1.1\t=\tNC_003070.9\tPrimary\t300\tchr1",
    "HSU1\tunlocalized-scaffold\t1\tChromosome\tKI1.1\t=\tNT_1.1\tPrimary\t20\tchr1_KI1v1_random",
    "MT\tassembled-molecule\tMT\tMitochondrion\tBK010421.1\t=\tna\tnon-nuclear\t40\tna",
]


def report(tmp_path, *lines: str) -> AssemblyReport:
    path = tmp_path / "report.txt"
    path.write_bytes("\r\n".join(["# Assembly name: x", *lines, ""]).encode())
    return AssemblyReport(path)


def test_names_and_kinds(tmp_path):
    one, piece, mito = report(tmp_path, COLUMNS, *ROWS).rows
    assert one.names == ("1", "CP1.1", "NC_003070.9", "chr1")
    assert "1" not in piece.names  # a piece of chromosome 1 is not chromosome 1
    assert mito.names == ("MT", "BK010421.1")
    assert (one.location, mito.location, mito.length) == ("Chromosome", "Mitochondrion", 40)


def test_find_prefers_the_surest_name(tmp_path):
    rows = report(tmp_path, COLUMNS, *ROWS)
    assert rows.find(["MT", "1"], 40) is rows.rows[2]
    assert rows.find(["other", "chr1"], 300) is rows.rows[0]
    assert rows.find(["other"], 300) is None


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([COLUMNS], "lists no sequence"),
        ([ROWS[0]], "line 2: a row comes before"),
        ([COLUMNS, "1\tx"], "line 3: the row has 2 columns; expected 10"),
        ([COLUMNS.replace("RefSeq-Accn", "RS")], "lacks the column 'RefSeq-Accn'"),
    ],
)
def test_defects(lines, words, tmp_path):
    with pytest.raises(InputError) as caught:
        report(tmp_path, *lines)
    assert words in str(caught.value)


def test_another_version_is_noticed_by_its_lengths(tmp_path):
    with pytest.raises(InputError, match="line 3: record 'x' has 301 bases, the report says 300"):
        report(tmp_path, COLUMNS, *ROWS).find(["x", "chr1"], 301)
