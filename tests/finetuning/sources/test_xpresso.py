"""Messenger RNA level of genes from the sequence around their start."""

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.xpresso import read
from pipeline_lib.genome import Genome


def task(file, **changes):
    return parse_task({"type": "xpresso", "file": str(file)} | changes)


def test_genes_of_chromosome_20(human, chr20, fetch):
    with Genome(chr20) as genome:
        raw = read(task(human / "xpresso_chr20_hg19.tsv.gz", assembly="hg19"), genome)
    table = raw.table
    assert len(table) == 460
    assert raw.left_out.total() == 0
    assert set(table["sequence"].str.len()) == {10_500}
    assert table["gene"].is_unique
    assert table.iloc[1]["gene"] == "ENSG00000020256"
    assert table.iloc[1]["target"] == pytest.approx([1.1981069988734])
    for row in table.iloc[::60].itertuples():
        assert fetch(chr20, "20", row.start, row.end, row.strand) == row.sequence
        first = fetch(chr20, "20", row.position, row.position + 1, row.strand)
        assert row.sequence[row.focus] == first


PUBLISHED = "ENSID\tEXPRESSION\tUTR5LEN\tUTR5GC\tPROMOTER\nE1\t9.9\t99.9\t0.5\tAACCGGTT\n"
COLUMNS = {
    "gene_column": "ENSID",
    "target": "EXPRESSION",
    "sequence_column": "PROMOTER",
    "number_columns": ["UTR5LEN", "UTR5GC"],
    "log10_columns": ["EXPRESSION", "UTR5LEN"],
    "upstream": 3,
    "downstream": 2,
}


def test_published_table_with_numbers_and_its_own_sequence(write):
    raw = read(task(write("a.txt", PUBLISHED), **COLUMNS))
    row = raw.table.iloc[0]
    assert (row["sequence"], row["focus"]) == ("ACCGG", 3)
    np.testing.assert_allclose(row["target"], [1.0], rtol=1e-6)
    np.testing.assert_allclose(row["numbers"], [2.0, 0.5], rtol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("9.9\t99.9", "9.9\t-7", ["line 2, column 'UTR5LEN'", "-7 has no logarithm"]),
        ("AACCGGTT", "AACC", ["line 2, column 'PROMOTER'", "4 bases"]),
        ("0.5", "", ["column 'UTR5GC'", "'' is not a number"]),
        ("UTR5GC", "UTR5", ["no column 'UTR5GC'", "'UTR5LEN'"]),
    ],
)
def test_malformed_tables(write, old, new, said):
    with pytest.raises(InputError) as error:
        read(task(write("a.txt", PUBLISHED.replace(old, new, 1)), **COLUMNS))
    assert all(part in str(error.value) for part in said)


def test_genes_without_a_measurement_or_window_are_left_out(make_genome, write):
    genome = make_genome(one="ACGTT" * 4)
    text = "ensembl_gene\tchrom\ttss_center_0based\tstrand\tx\n"
    text += "a\tone\t8\t-\t1\nb\tone\t8\t+\tNA\nc\tone\t2\t+\t1\n"
    settings = task(write("a.tsv", text), assembly="a", target="x", upstream=4, downstream=4)
    raw = read(settings, genome)
    assert raw.table["gene"].tolist() == ["a"]
    assert raw.table["sequence"].tolist() == ["CGTAACGT"]
    assert raw.left_out.total() == 2


@pytest.mark.parametrize(
    "changes",
    [{}, {"assembly": "a", "sequence_column": "s"}, {"assembly": "a", "log10_columns": "y"}],
)
def test_settings_that_contradict_each_other(changes):
    with pytest.raises(ValidationError):
        task("a", **changes)
