"""GUE's folders and the tables of Genomic Benchmarks."""

import numpy as np
import pytest

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.csv_folder import read


def task(**values):
    return parse_task({"type": "csv_folder"} | values)


@pytest.mark.parametrize(
    ("folder", "train", "valid", "test"),
    [
        ("tf/0", 32_378, 1_000, 1_000),
        ("mouse/0", 6_478, 810, 810),
        ("prom/prom_core_tata", 4_904, 613, 613),
    ],
)
def test_published_splits_of_gue(shared, folder, train, valid, test):
    raw = read(task(folder=str(shared / "data" / "gue" / folder)))
    found = raw.table["split"].value_counts().to_dict()
    assert found == {"train": train, "valid": valid, "test": test}
    assert raw.target.names == ("0", "1")


@pytest.mark.parametrize(
    ("folder", "rows", "classes"), [("splice/reconstructed", 9_124, 3), ("EMP/H3", 2_994, 2)]
)
def test_without_training_file_the_splits_can_be_drawn(shared, folder, rows, classes):
    path = str(shared / "data" / "gue" / folder)
    with pytest.raises(InputError) as error:
        read(task(folder=path))
    said = str(error.value)
    assert "no file of train examples, only 'dev.csv.gz', 'test.csv.gz'" in said
    assert "splits: drawn" in said
    raw = read(task(folder=path, splits="drawn"))
    assert len(raw.table) == rows
    assert len(raw.target.names) == classes
    assert set(raw.table["split"]) == {""}


@pytest.mark.parametrize(
    ("name", "rows", "classes"),
    [
        ("human_enhancers_cohn", 589, 2),
        ("human_enhancers_ensembl", 3_858, 2),
        ("human_ensembl_regulatory", 6_872, 3),
        ("human_ocr_ensembl", 3_798, 2),
    ],
)
def test_tables_of_genomic_benchmarks(human, chr20, fetch, name, rows, classes):
    raw = read(task(file=str(human / f"genomic_benchmarks_{name}_chr20.tsv.gz"), contig="20"))
    assert len(raw.table) == rows
    assert len(raw.target.names) == classes
    assert set(raw.table["split"]) == {"train", "test"}
    for row in raw.table.iloc[:: rows // 20].itertuples():
        assert fetch(chr20, row.contig, row.start, row.end, row.strand) == row.sequence


def test_the_few_negatives_of_nontata_promoters(human):
    raw = read(task(file=str(human / "genomic_benchmarks_human_nontata_promoters_chr20.tsv.gz")))
    assert raw.target.names == ("negative", "positive")
    assert (np.stack(raw.table["target"])[:, 0] == 0).sum() == 9


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"train.csv": "sequence,label\nACGT,1\nAC*T,0\n"}, ["train.csv", "line 3", "'*'"]),
        ({"train.csv": "seq,label\nACGT,1\n"}, ["no column 'sequence'", "'seq'"]),
        ({"train.csv": "sequence,label\nACGT,\n"}, ["line 2", "the label is empty"]),
        ({"train.csv": "sequence,label\nACGT\n"}, ["line 2", "1 columns"]),
        ({"train.csv": "sequence,label\n", "train.tsv": ""}, ["train.csv and train.tsv"]),
        ({}, ["no file of train examples"]),
    ],
)
def test_malformed_folders(write, tmp_path, files, said):
    write("data/test.csv", "sequence,label\nACGT,1\n")
    for name, text in files.items():
        write(f"data/{name}", text)
    with pytest.raises(InputError) as error:
        read(task(folder=str(tmp_path / "data")))
    assert all(part in str(error.value) for part in said)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("holdout\t1\tACGT\t0\t4", ["line 2, column 'split'", "'holdout'"]),
        ("test\t1\tACGT\t0\t5", ["4 bases", "5 apart"]),
        ("test\t1\tACGT\t0\tend", ["column 'end'", "'end' is not a position"]),
    ],
)
def test_malformed_tables(write, rows, said):
    path = write("a.tsv", f"split\tlabel\tsequence\tstart\tend\n{rows}\n")
    with pytest.raises(InputError) as error:
        read(task(file=path, contig="1"))
    assert all(part in str(error.value) for part in said)
