"""NCBI's `datasets` as downloader, with a stand-in for the program."""

import hashlib
import json
import logging
import zipfile
from pathlib import Path

import pytest

from pipeline_lib.config.genome import Assembly
from pipeline_lib.errors import DownloadError
from pipeline_lib.genome.report import AssemblyReport
from pipeline_lib.genome.sources import fetch_source, look_up

ACCESSION = "GCF_000146045.2"
FOLDER = f"ncbi_dataset/data/{ACCESSION}"
SEQUENCE = b">NC_001133.9 Saccharomyces cerevisiae S288C chromosome I\nACGT\n"
GFF = b"##gff-version 3\n"
ROWS = [
    {
        "assemblyAccession": ACCESSION, "chrName": "I", "sequenceName": "I", "role":
        "assembled-molecule", "assignedMoleculeLocationType": "Chromosome", "length": 4,
        "genbankAccession": "BK006935.2", "refseqAccession": "NC_001133.9",
        "ucscStyleName": "chrI",
    },
    {
        "chrName": "MT", "role": "assembled-molecule", "length": 85779,
        "assignedMoleculeLocationType": "Mitochondrion", "refseqAccession": "NC_001224.1",
    },
]  # fmt: skip
REPORT = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
FILES = {
    f"{FOLDER}/{ACCESSION}_R64_genomic.fna": SEQUENCE,
    f"{FOLDER}/genomic.gff": GFF,
    f"{FOLDER}/sequence_report.jsonl": REPORT,
}


def package(path: Path, files: dict[str, bytes]) -> Path:
    sums = "".join(f"{hashlib.md5(text).hexdigest()}  {name}\n" for name, text in FILES.items())
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        archive.writestr("md5sum.txt", sums)
    return path


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a `datasets` into the path that notes its call and gives a prepared archive."""
    ready = package(tmp_path / "ready.zip", FILES)
    file = tmp_path / "bin" / "datasets"
    file.parent.mkdir()
    file.write_text(
        f'#!/bin/sh\necho "$@" "key=$NCBI_API_KEY" >> {tmp_path}/calls\n'
        f"[ -e {tmp_path}/broken ] && echo 'Error: no network' >&2 && exit 1\n"
        f'while [ "$1" != --filename ]; do shift; done\ncp {ready} "$2"\n'
    )
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{file.parent}:/usr/bin:/bin")
    return tmp_path


def entry(**settings: object) -> Assembly:
    return Assembly(accession=ACCESSION, downloader="datasets", download_retries=2, **settings)


def test_files_are_taken_from_the_package(program, monkeypatch, caplog):
    monkeypatch.setenv("MY_KEY", "secret")
    assembly = entry(annotation="archive", ncbi_api_key_variable="MY_KEY")
    zipped = program / "out" / "datasets.zip"
    with caplog.at_level(logging.DEBUG):
        look_up(assembly, zipped)
    calls = (program / "calls").read_text()
    assert f"download genome accession {ACCESSION} --include genome,seq-report,gff3" in calls
    assert calls.strip().endswith("key=secret") and calls.count("secret") == 1
    assert "secret" not in caplog.text
    for role, content in (("sequence", SEQUENCE), ("annotation", GFF)):
        fetch_source(assembly, role, program / role, looked_up=zipped)
        assert (program / role).read_bytes() == content


def test_the_sequence_report_becomes_an_assembly_report(program):
    zipped, target = program / "ready.zip", program / "report.txt"
    fetch_source(entry(), "assembly_report", target, looked_up=zipped)
    rows = AssemblyReport(target).rows
    assert rows[0].names == ("I", "BK006935.2", "NC_001133.9", "chrI")
    assert (rows[1].location, rows[1].length) == ("Mitochondrion", 85779)


def refused(*arguments, **options) -> str:
    with pytest.raises(DownloadError) as caught:
        fetch_source(entry(), *arguments, **options)
    return str(caught.value)


def test_damaged_or_incomplete_packages(tmp_path):
    target = tmp_path / "out" / "sequence"
    some = {name: text for name, text in FILES.items() if not name.endswith(".gff")}
    zipped = package(tmp_path / "a.zip", some)
    assert "holds 0 files *genomic.gff" in refused("annotation", target, looked_up=zipped)
    zipped = package(tmp_path / "b.zip", {**FILES, next(iter(FILES)): SEQUENCE + b"A"})
    assert "the md5 of" in refused("sequence", target, looked_up=zipped)
    content = bytearray(zipped.read_bytes())
    content[len(content) // 8] ^= 0xFF
    for damaged in (content, content[:-20], b""):
        (tmp_path / "c.zip").write_bytes(damaged)
        message = refused("sequence", target, looked_up=tmp_path / "c.zip")
        assert "is damaged" in message or "the md5 of" in message
    assert not target.exists() and not list(target.parent.glob("*"))


def test_the_program_fails(program):
    (program / "broken").touch()
    with pytest.raises(DownloadError, match="fails after 3 attempts with: Error: no network"):
        look_up(entry(), program / "out" / "datasets.zip")
    assert list((program / "out").iterdir()) == []


def test_the_program_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DownloadError, match=r"`datasets` of NCBI is not installed.*--sdm conda"):
        look_up(entry(), tmp_path / "datasets.zip")
