"""Sequences from the files that people have: one table, whatever the format."""

import gzip
from pathlib import Path

import pandas as pd
import pytest

from pipeline_lib.application.inputs import has_place, read_inputs
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import write_examples
from pipeline_lib.sequence import reverse_complement
from tests.finetuning import toys


def test_formats_agree(genome: Path, sequences: dict[str, str], tmp_path: Path) -> None:
    forward = sequences["chr2"][100:160]
    backward = reverse_complement(sequences["chr1"][1500:1560].upper().encode()).decode()
    (tmp_path / "a.bed").write_text(
        "# two\nchr2\t100\t160\tfirst\n1\t1500\t1560\tsecond\t0\t-\tmore\n"
    )
    with gzip.open(tmp_path / "a.fa.gz", "wt") as handle:
        handle.write(f">chr2:100-160(+)\n{forward}\n>chr1:1500-1560(-)\n{backward.lower()}\n")
    (tmp_path / "a.csv").write_text(
        "name,dna,contig,start,end,strand,kind\n"
        f"first,{forward},chr2,100,160,+,x\nsecond,{backward},chr1,1500,1560,-,y\n"
    )
    bed = read_inputs(tmp_path / "a.bed", genome)
    table = read_inputs(tmp_path / "a.csv", sequence_column="dna")
    table.drop(columns=["sequence", "name"]).assign(dna=table["sequence"]).to_parquet(
        tmp_path / "a.parquet"
    )
    found = {
        "bed": bed,
        "fasta": read_inputs(tmp_path / "a.fa.gz"),
        "csv": table,
        "parquet": read_inputs(tmp_path / "a.parquet", sequence_column="dna"),
    }
    for kind, frame in found.items():
        assert list(frame["sequence"]) == [forward, backward], kind
        assert list(frame["contig"]) == ["chr2", "chr1"], kind
        assert list(frame["start"]) == [100, 1500], kind
        assert list(frame["strand"]) == ["+", "-"], kind
        assert has_place(frame).all(), kind
    assert list(bed["name"]) == list(table["name"]) == ["first", "second"]
    assert list(table["kind"]) == ["x", "y"]
    assert list(bed["column7"]) == ["", "more"]


def test_examples_keep_their_columns(tmp_path: Path) -> None:
    write_examples(tmp_path / "examples.parquet", toys.make_examples(count=8))
    table = read_inputs(tmp_path / "examples.parquet")
    assert list(table.columns[:3]) == ["name", "sequence", "contig"]
    assert table["name"].iloc[3] == "example 3"
    assert (table["focus"] == 30).all()
    assert table["split"].nunique() == 3
    assert not has_place(table).any()  # their end is not known


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.bed", "chr9\t1\t2\n", "line 1: 'chr9' names no contig"),
        ("a.bed", "chr2\t690\t701\n", "at most 700"),
        ("a.bed", "chr2 1 2\n", "separated by tabs"),
        ("a.bed", "# nothing\n", "no intervals"),
        ("a.fa", "", "empty"),
        ("a.fa", ">a\nACJT\n", "'J' is not a base (position 3)"),
        ("a.fa", ">a\n>b\nACG\n", "the sequence is empty"),
        ("a.csv", "name,seq\na,ACG\n", "no column 'sequence'"),
        ("a.csv", "name,sequence\n", "no rows"),
        ("a.parquet", "text", "not a readable Parquet file"),
        ("a.docx", "text", "cannot be told from the name 'a.docx'"),
    ],
)
def test_bad_files_are_sentences(
    genome: Path, tmp_path: Path, name: str, content: str, words: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError) as error:
        read_inputs(tmp_path / name, genome)
    assert words in str(error.value)
    assert name in str(error.value)


def test_intervals_need_a_genome(tmp_path: Path) -> None:
    (tmp_path / "a.bed").write_text("chr1\t1\t2\n")
    with pytest.raises(InputError, match="--genome"):
        read_inputs(tmp_path / "a.bed")
    with pytest.raises(InputError, match="no such file"):
        read_inputs(tmp_path / "b.bed")
    pd.DataFrame({"sequence": pd.Series(dtype=str)}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match="no rows"):
        read_inputs(tmp_path / "a.parquet")
