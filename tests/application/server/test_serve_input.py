"""What is pasted, limits, and where the server may listen."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline_lib.application.fasta import open_genome
from pipeline_lib.application.server.limits import Limits, Rates, Refused
from pipeline_lib.application.server.sequences import BadInput, read_region, read_sequence
from pipeline_lib.application.server.worker import Clock
from pipeline_lib.cli import app
from pipeline_lib.errors import InputError


@pytest.mark.parametrize(
    ("text", "name", "bases"),
    [
        ("acgt", "", b"ACGT"),
        (">chr1 of <b>yeast</b>\r\nACGU\nryn\n", "chr1 of <b>yeast</b>", b"ACGTNNN"),
        ("        1 acgta cgtac\n       61 ttt", "", b"ACGTACGTACTTT"),
        (">\x00\x1b[31m\ud800x\nA", "[31mx", b"A"),
    ],
)
def test_pasted_sequences(text: str, name: str, bases: bytes) -> None:
    found = read_sequence(text, 100)
    assert (found.name, found.bases, found.start) == (name, bases, 0)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no sequence"),
        (">name only", "no sequence"),
        (">a\nAC\n>b\nGT", "more than one"),
        ("ACGTE", "Letter 5 of the sequence is 'E'"),
        ("AC-GT", "Letter 3"),
        ("AC\u0391", r"Letter 3 of the sequence is '\\u0391'"),
        ("A" * 101, "101 bases; at most 100"),
        ("../../etc/passwd", "Letter 1 of the sequence is '.'"),
    ],
)
def test_what_is_no_sequence(text: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        read_sequence(text, 100)


@given(st.text(max_size=80))
def test_any_text_is_a_sequence_or_a_sentence(text: str) -> None:
    try:
        found = read_sequence(text, 60)
    except BadInput as error:
        str(error).encode()
    else:
        assert set(found.bases) <= set(b"ACGTN")
        assert 0 < len(found.bases) <= 60


def test_regions(genome: Path, sequences: dict[str, str]) -> None:
    opened = open_genome(genome)
    found = read_region(" chr1:1,900-2,100 ", opened, 500)
    assert found == ("chr1", sequences["chr1"][1899:2100].upper().encode(), 1899)
    assert read_region("1:5..9", opened, 500).bases == sequences["chr1"][4:9].encode()
    for text, sentence in {
        "chr1": "not understood",
        "chr9:1-5": "no contig chr9; its first ones are chr1, chr2",
        "chr2:690-701": "does not lie inside chr2, which has bases 1 to 700",
        "chr2:0-5": "does not lie inside",
        "chr2:9-5": "does not lie inside",
        "chr1:1-501": "501 bases; at most 500",
        "/etc/passwd:1-5": "no contig /etc/passwd",
    }.items():
        with pytest.raises(BadInput, match=sentence):
            read_region(text, opened, 500)
    with pytest.raises(BadInput, match="without a genome"):
        read_region("chr1:1-5", None, 500)


def test_rates() -> None:
    now = 0.0
    limits = Limits(burst=3, per_second=1, all_burst=5, all_per_second=1)
    rates = Rates(limits, lambda: now)
    for client in "aaabb":
        rates.check(client)
    with pytest.raises(Refused) as own:
        rates.check("a")
    with pytest.raises(Refused) as everyone:
        rates.check("b")
    assert (own.value.status, everyone.value.status) == (429, 503)
    now = 1.5
    rates.check("a")


def test_clocks_end_work() -> None:
    clock = Clock(60)
    clock.check()
    threading.Thread(target=clock.stop).start()
    with pytest.raises(Refused, match="stopped"):
        while True:
            clock.check()
    with pytest.raises(Refused, match="longer than 0 seconds"):
        Clock(0).check()


def test_other_machines_are_let_in_only_on_demand(models: dict[str, Path]) -> None:
    command = ["serve", "--model", str(models["bases"]), "--host", "0.0.0.0"]
    found = CliRunner().invoke(app, command)
    assert isinstance(found.exception, InputError)
    assert "--expose" in str(found.exception)
    found = CliRunner().invoke(app, [*command[:3], "--window", "bases=63:63"])
    assert "does not lie in a window of 63" in str(found.exception)


def test_without_its_packages_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = CliRunner().invoke(app, ["serve", "--model", "somewhere"])
    assert isinstance(found.exception, InputError)
    assert "fastapi and uvicorn are not installed" in str(found.exception)
    assert "pip install" in str(found.exception)
