"""Delimited text: what is read, and what is refused by file, line, column and value."""

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.sources.classes import as_column, class_target
from pipeline_lib.finetuning.sources.records import find_files, place_of, read_records
from pipeline_lib.finetuning.sources.rows import (
    choices_of,
    clean_sequence,
    numbers_of,
    positions_of,
    read_rows,
    sequences_of,
)


def test_rows_keep_their_line_and_may_be_compressed(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b'name,sequence\r\n"x, y",acgu\r\n\r\nz,N\r\n'))
    rows = read_rows(path, ["sequence"])
    assert rows["name"].tolist() == ["x, y", "z"]
    assert rows["line"].tolist() == [2, 4]
    assert sequences_of(rows, "sequence", path) == ["ACGT", "N"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\tb\n1\t2\t3\n", ["line 2", "3 columns", "expected 2"]),
        ("a\ta\n1\t2\n", ["'a' appears twice"]),
        ("a\tc\n1\t2\n", ["no column 'b'", "the file has 'a', 'c'"]),
        ("a\tb\n", ["holds no rows"]),
        ("", ["empty"]),
        ("<!DOCTYPE html><html>", ["web page"]),
    ],
)
def test_malformed_tables_are_refused(tmp_path, text, said):
    path = tmp_path / "a.tsv"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_rows(path, ["a", "b"])
    assert all(part in str(error.value) for part in [*said, str(path), "To fix:"])


@pytest.mark.parametrize(
    ("read", "value", "said"),
    [
        (sequences_of, "ACXG", ["'X' is not a base (position 3)"]),
        (sequences_of, "", ["the sequence is empty"]),
        (numbers_of, "high", ["'high' is not a number"]),
        (numbers_of, "NA", ["'NA' is not a number"]),
        (numbers_of, "inf", ["'inf' is not a number"]),
        (positions_of, "-5", ["'-5' is not a position"]),
        (positions_of, "1.5", ["'1.5' is not a position"]),
        (lambda *a: choices_of(a[0], a[1], ("+", "-"), a[2]), "1", ["'1' is none", "'+' or '-'"]),
    ],
)
def test_malformed_values_are_named_with_line_and_column(tmp_path, read, value, said):
    path = tmp_path / "a.tsv"
    good = {"sequences_of": "A", "numbers_of": "1", "positions_of": "1"}.get(read.__name__, "+")
    path.write_text(f"id\tx\n1\t{good}\n2\t{value}\n")
    with pytest.raises(InputError) as error:
        read(read_rows(path), "x", path)
    assert all(part in str(error.value) for part in [*said, "line 3, column 'x'", str(path)])


def test_missing_numbers_are_nan_where_they_may_be_missing(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("x\ty\n1.5\ta\nNA\ta\n\ta\n")
    found = numbers_of(read_rows(path), "x", path, missing=True)
    np.testing.assert_array_equal(found, np.float32([1.5, np.nan, np.nan]))


@settings(max_examples=30)
@given(st.text(alphabet="ACGTUNacgtun", min_size=1))
def test_clean_sequences_are_upper_case_dna_of_the_same_length(text):
    sequence = clean_sequence(text, None, "")
    assert len(sequence) == len(text)
    assert set(sequence) <= set("ACGTN")


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["10", "9", "b", "a"]), min_size=1))
def test_classes_do_not_depend_on_the_order_of_rows(labels):
    target, column = class_target(labels)
    backwards, _ = class_target(labels[::-1])
    assert target == backwards
    assert [target.names[int(value[0])] for value in column] == labels


def test_numeric_classes_are_sorted_as_numbers():
    assert class_target(["10", "9", "0"])[0].names == ("0", "9", "10")


def test_columns_of_arrays_are_never_joined_to_a_matrix():
    column = as_column(np.zeros((3, 2)))
    assert column.shape == (3,)
    assert column[0].dtype == np.float32


def test_records_may_share_a_name(write):
    path = write("a.fa", ">x:1-5(+)\nACG\nT\n>x:1-5(+)\nacgu\n")
    found = list(read_records(find_files((path,), "FASTA")[0]))
    assert [one.sequence for one in found] == ["ACGT", "ACGT"]
    assert [one.line for one in found] == [1, 4]
    assert place_of(found[0].header) == ("x", 1, 5, "+")
    assert place_of("17") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ACGT\n", "starts with `>`"),
        (">a\n>b\nA\n", "line 1, record 'a': the sequence is empty"),
        (">a\nAC-T\n", "'-' is not a base (position 3)"),
        ("\n", "no record"),
    ],
)
def test_what_is_no_fasta_is_refused(write, text, said):
    path = find_files((write("a.fa", text),), "FASTA")[0]
    with pytest.raises(InputError) as error:
        list(read_records(path))
    assert said in str(error.value)
