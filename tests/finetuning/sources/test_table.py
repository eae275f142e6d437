"""A user's table is read as it is meant, and what is wrong in it is named with its place."""

import gzip

import numpy as np
import pandas as pd
import pytest

from pipeline_lib.config.tasks import parse_task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Examples
from pipeline_lib.finetuning.sources.table import read


def task(file, **changes):
    return parse_task({"type": "table", "file": str(file), **changes})


def targets(raw):
    return Examples(raw.table, raw.target).targets().tolist()


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="mine.csv"):
        path = tmp_path / name
        opener = gzip.open if name.endswith(".gz") else open
        with opener(path, "wt") as handle:
            handle.write(text)
        return path

    return write_file


FORMATS = ("mine.csv", "mine.csv.gz", "mine.tsv", "mine.tsv.gz", "mine.txt", "mine.parquet")


@pytest.mark.parametrize("name", FORMATS)
def test_formats(tmp_path, name):
    frame = pd.DataFrame({"sequence": ["acgu", "GGNR"], "label": [1, 0], "other": [None, "x,y"]})
    path = tmp_path / name
    if name.endswith(".parquet"):
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="," if ".csv" in name else "\t")
    raw = read(task(path), None)
    assert raw.table["sequence"].tolist() == ["ACGT", "GGNR"]
    assert raw.target.kind == "class" and raw.target.names == ("0", "1")
    assert targets(raw) == [[1], [0]]


@pytest.mark.parametrize("order", [["b", "a", "c"], ["c", "b", "a"]])
def test_classes_are_in_order_of_their_names(write, order):
    path = write("sequence,label\n" + "".join(f"ACGT,{name}\n" for name in order))
    raw = read(task(path), None)
    assert raw.target.names == ("a", "b", "c")
    assert targets(raw) == [["abc".index(name)] for name in order]


def test_labels_as_columns_and_as_names(write):
    path = write("sequence,dnase,ctcf\nAC,1,0\nAG,,1\nAT,0,NA\n")
    raw = read(task(path, kind="labels", target=["dnase", "ctcf"]), None)
    assert raw.target.kind == "labels" and raw.target.names == ("dnase", "ctcf")
    np.testing.assert_array_equal(targets(raw), [[1, 0], [np.nan, 1], [0, np.nan]])
    joined = read(task(write("sequence,label\nAC,ctcf;atac\nAG,\nAT,ctcf\n"), kind="labels"), None)
    assert joined.target.names == ("atac", "ctcf")
    assert targets(joined) == [[1, 1], [0, 0], [0, 1]]
    single = read(
        task(write("sequence,active\nAC,1\nAG,0\n"), kind="labels", target="active"), None
    )
    assert single.target.names == ("active",) and targets(single) == [[1], [0]]


def test_numbers_pairs_and_the_rest(write):
    path = write(
        "seq\tmate\tlevel\tagain\thalf_life\tbase\tcell\tgene\tset\n"
        "ACGT\tTT\t1.5\t-2e3\t0.25\t3\tK562\tg1\ttrain\n"
        "ACG\tTA\t-1\tNA\t4\t0\tHeLa\t\tDev\n",
        "mine.tsv",
    )
    raw = read(
        task(
            path, kind="numbers", target=["level", "again"], sequence="seq", partner_column="mate",
            number_columns="half_life", focus_column="base", kind_column="cell",
            group_column="gene", split_column="set",
        ),
        None,
    )  # fmt: skip
    np.testing.assert_array_equal(targets(raw), [[1.5, -2000], [-1, np.nan]])
    table = raw.table
    assert table["partner"].tolist() == ["TT", "TA"] and table["focus"].tolist() == [3, 0]
    assert [one.tolist() for one in table["numbers"]] == [[0.25], [4]]
    assert table["kind"].tolist() == ["K562", "HeLa"] and table["group"].tolist() == [0, -1]
    assert table["split"].tolist() == ["train", "valid"]


def test_a_file_for_each_split(write):
    files = {split: str(write("sequence,label\nAC,a\nAG,b\n", f"{split}.csv"))
             for split in ("train", "test")}  # fmt: skip
    raw = read(parse_task({"type": "table", **files}), None)
    assert raw.table["split"].tolist() == ["train", "train", "test", "test"]
    write("sequence,label\nAC,a\nAG,c\n", "test.csv")
    with pytest.raises(
        InputError, match=r"test.csv, line 3, column 'label': class 'c' is in split"
    ):
        read(parse_task({"type": "table", **files}), None)


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("sequence,class\nAC,a\n", "line 1", "no column 'label'; the file has 'sequence', 'class'"),
        ("seq,label\nAC,a\n", "line 1", "no column 'sequence'"),
        ("sequence,label,label\nAC,a,b\n", "line 1", "column 'label' appears twice"),
        ("sequence,label\nAC,a\n,b\n", "line 3, column 'sequence'", "the sequence is empty"),
        ("sequence,label\nAC,a\n\nAXC,b\n", "line 4, column 'sequence'", "'X' is not a base"),
        ("sequence,label\nA C,a\n", "line 2, column 'sequence'", "' ' is not a base"),
        ("sequence,label\nAC,a\nAG,\n", "line 3, column 'label'", "the class is missing ('')"),
        ("sequence,label\nAC,nan\n", "line 2, column 'label'", "the class is missing ('nan')"),
        ("sequence,label\nAC,a\nAG\n", "line 3", "the line has 1 columns"),
        ("sequence,label\nAC,a\nAG,a\n", "column 'label'", "all rows are of class 'a'"),
        ("sequence,label\n", None, "the file holds no rows"),
        ("", None, "the file is empty"),
        ("sequence;label\nAC;a\n", "line 1", "the file has 'sequence;label'"),
    ],
)  # fmt: skip
def test_malformed_classes(write, text, where, said):
    check(task(write(text)), where, said)


@pytest.mark.parametrize(
    ("row", "changes", "column", "said"),
    [
        ("high", {"kind": "numbers"}, "x", "'high' is not a number"),
        ("", {"kind": "numbers"}, "x", "'' is not a number"),
        ("nan", {"kind": "numbers"}, "x", "'nan' is not a number"),
        ("inf", {"kind": "numbers", "target": ["x", "n"]}, "x", "'inf' is not a number"),
        ("2", {"kind": "labels", "target": ["x", "n"]}, "x", "'2' is no label"),
        ("later", {"target": "n", "split_column": "x"}, "x", "'later' is none of the values"),
        ("x7", {"target": "n", "number_columns": ["x"]}, "x", "'x7' is not a number"),
        ("-1", {"target": "n", "focus_column": "x"}, "x", "'-1' is not a position"),
        ("4", {"target": "n", "focus_column": "x"}, "x", "base 4 does not lie in the sequence"),
        ("AC-", {"target": "n", "partner_column": "x"}, "x", "'-' is not a base"),
    ],
)
def test_malformed_values(write, row, changes, column, said):
    good = {"split_column": "test", "partner_column": "AC"}.get(list(changes)[-1], "0")
    path = write(f"sequence,x,n\nACGT,{good},1\nACGT,{row},0\n")
    check(task(path, **({"target": "x"} | changes)), f"line 3, column {column!r}", said)


def check(settings, where, said):
    with pytest.raises(InputError) as raised:
        read(settings, None)
    text = str(raised.value)
    assert said in text and settings.file in text and "To fix: " in text
    assert where is None or f"{settings.file}, {where}: " in text


def test_parquet_that_is_none(write):
    check(task(write("sequence,label\n", "mine.parquet")), None, "not a readable Parquet file")
    with pytest.raises(InputError, match=r"absent.csv: .*To fix"):
        read(task(write("a,b\n").with_name("absent.csv")), None)


PLACES = "contig,start,end,strand,label\n"


@pytest.fixture
def genome(make_genome, random_dna):
    with make_genome(chr1=random_dna(400, 1), chr2=random_dna(300, 2)) as made:
        yield made


def test_places_of_a_genome(write, random_dna, genome):
    dna = random_dna(400, 1)
    path = write(PLACES + "chr1,10,50,+,a\n1,10,50,-,b\nchr1,380,400,+,a\n")
    raw = read(task(path, assembly="mine"), genome)
    pairs = str.maketrans("ACGT", "TGCA")
    expected = [dna[10:50], dna[10:50].translate(pairs)[::-1], dna[380:400]]
    assert raw.table["sequence"].tolist() == expected
    assert raw.table["contig"].tolist() == ["chr1"] * 3
    assert raw.table["assembly"].tolist() == ["mine"] * 3


@pytest.mark.parametrize(
    ("row", "where", "said"),
    [
        ("chrQ,1,9,+", "line 3", "'chrQ' names no contig"),
        ("chr2,290,301,+", "line 3, columns 'start' and 'end'", "ends past the contig"),
        ("chr2,9,9,+", "line 3, columns 'start' and 'end'", "holds no base"),
        ("chr2,-1,9,+", "line 3, column 'start'", "'-1' is not a position"),
        ("chr2,1,9.5,+", "line 3, column 'end'", "'9.5' is not a position"),
        ("chr2,1,9,.", "line 3, column 'strand'", "'.' is none of the values"),
    ],
)
def test_malformed_places(write, genome, row, where, said):
    path = write(f"{PLACES}chr1,0,9,+,a\n{row},b\n")
    with pytest.raises(InputError) as raised:
        read(task(path, assembly="mine"), genome)
    assert f"{path}, {where}: " in str(raised.value) and said in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"file": None}, "give either `file` or `train`"),
        ({"file": None, "train": "a"}, "`train` is given without `test`"),
        ({"test": "b"}, "`valid` and `test` go with `train`"),
        ({"target": ["a", "b"]}, "with `kind: class` the class is in one"),
    ],
)
def test_settings_that_do_not_agree(changes, said):
    with pytest.raises(ValueError, match=said):
        parse_task({"type": "table", "file": "x.csv", **changes})
