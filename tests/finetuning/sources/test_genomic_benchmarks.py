"""Genomic Benchmarks' own layout: coordinates in a file for each class and split."""

import numpy as np
import pandas as pd
import pytest

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.genomic_benchmarks import read
from pipeline_lib.genome import Genome


def task(folder):
    return parse_task({"type": "genomic_benchmarks", "assembly": "a", "folder": str(folder)})


def test_sequences_are_those_that_the_authors_extracted(human, chr20, tmp_path):
    published = pd.read_csv(
        human / "genomic_benchmarks_human_nontata_promoters_chr20.tsv.gz", sep="\t"
    )
    for (split, label), part in published.groupby(["split", "label"]):
        (tmp_path / split).mkdir(exist_ok=True)
        table = part.rename(columns={"start_hg19_0based": "start"})
        table = table.assign(id=range(len(part)), region="chr20")
        table = table[["id", "region", "start", "end", "strand"]]
        table.to_csv(tmp_path / split / f"{label}.csv.gz", index=False)
    with Genome(chr20) as genome:
        raw = read(task(tmp_path), genome)
    assert len(raw.table) == len(published) == 516
    assert raw.target.names == ("negative", "positive")
    assert not raw.left_out
    names = np.array(raw.target.names)[np.stack(raw.table["target"])[:, 0].astype(int)]
    ours = set(zip(raw.table["split"], names, raw.table["sequence"], strict=True))
    assert ours == set(
        zip(published["split"], published["label"], published["sequence"], strict=True)
    )


def test_malformed_folders(make_genome, write, tmp_path):
    genome = make_genome(one="ACGGACGTAC")
    header = "id,region,start,end,strand\n"
    for split in ("train", "test"):
        for label in ("no", "yes"):
            write(f"data/{split}/{label}.csv", f"{header}0,chrone,2,6,-\n")
    raw = read(task(tmp_path / "data"), genome)
    assert set(raw.table["sequence"]) == {"GTCC"}
    write("data/train/yes.csv", f"{header}0,one,8,12,+\n")  # runs past the end: left out
    assert read(task(tmp_path / "data"), genome).left_out.total() == 1
    write("data/train/yes.csv", f"{header}0,two,2,6,+\n")
    with pytest.raises(InputError, match="line 2: 'two' names no contig"):
        read(task(tmp_path / "data"), genome)
    (tmp_path / "data/train/yes.csv").rename(tmp_path / "data/train/other.csv")
    with pytest.raises(InputError, match="same classes: 'other', 'yes'"):
        read(task(tmp_path / "data"), genome)
    (tmp_path / "data/train/other.csv").unlink()
    with pytest.raises(InputError, match="files of 1 classes"):
        read(task(tmp_path / "data"), genome)
    with pytest.raises(InputError, match="takes its sequences from a genome"):
        read(task(tmp_path / "data"), None)
