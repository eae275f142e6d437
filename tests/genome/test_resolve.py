"""Entries of archives, found and downloaded from copies of their folders on this machine."""

import functools
import gzip
import hashlib
import http.server
import json
import random
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

from pipeline_lib.config.genome import Assembly
from pipeline_lib.errors import DownloadError
from pipeline_lib.genome import download, unixsum
from pipeline_lib.genome.prepare import prepare_genome
from pipeline_lib.genome.sources import fetch_source, look_up

ENTRY = "GCF_000001735.4_TAIR10.1"
NCBI = f"genomes/all/GCF/000/001/735/{ENTRY}"
ENSEMBL = "release-99/fasta/saccharomyces_cerevisiae/dna"
GFF3 = "release-99/gff3/saccharomyces_cerevisiae"
FASTA = gzip.compress(
    b">NC_003070.9 Arabidopsis thaliana chromosome 1\n" + b"ACGT" * 5000 + b"\n", mtime=0
)
REPORT = (
    "# Assembly name:  TAIR10.1\r\n"
    "# Sequence-Name\tSequence-Role\tAssigned-Molecule\tAssigned-Molecule-Location/Type\t"
    "GenBank-Accn\tRelationship\tRefSeq-Accn\tAssembly-Unit\tSequence-Length\tUCSC-style-name\r\n"
    "1\tassembled-molecule\t1\tChromosome\tCP002684.1\t<>\tNC_003070.9\tPrimary\t20000\tna\r\n"
)
GFF = gzip.compress(b"##gff-version 3\nNC_003070.9\tx\tgene\t1\t9\t.\t+\t.\tID=g\n", mtime=0)


def put(root: Path, path: str, content: bytes | str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content.encode() if isinstance(content, str) else content)


def md5_table(root: Path, folder: str, start: str = "") -> str:
    files = sorted(file for file in (root / folder).iterdir() if file.is_file())
    rows = (f"{hashlib.md5(f.read_bytes()).hexdigest()}  {start}{f.name}\n" for f in files)
    return "".join(rows)


def sum_table(root: Path, folder: str) -> str:
    """Write a table as Ensembl does, computed by a rule written down apart from ours."""
    rows = []
    for file in sorted((root / folder).iterdir()):
        content, total = file.read_bytes(), 0
        for byte in content:
            total = (total // 2 + 0x8000 * (total % 2) + byte) % 0x10000
        rows.append(f"{total:05d} {(len(content) + 1023) // 1024:5d} {file.name}\n")
    return "".join(rows)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Return a folder laid out as the four archives are."""
    root = tmp_path / "archive"
    put(root, "genomes/all/GCF/000/001/735/GCF_000001735.3_TAIR10/x", "x")
    put(root, f"{NCBI}/{ENTRY}_genomic.fna.gz", FASTA)
    put(root, f"{NCBI}/{ENTRY}_genomic.gff.gz", GFF)
    put(root, f"{NCBI}/{ENTRY}_assembly_report.txt", REPORT)
    table = md5_table(root, NCBI, "./")
    other = f"{'0' * 32}  ./{ENTRY}_assembly_structure/{ENTRY}_genomic.fna.gz\n"
    put(root, f"{NCBI}/md5checksums.txt", table + other)
    for name in ("dna.toplevel", "dna_sm.toplevel", "dna_sm.chromosome.I"):
        content = gzip.compress(
            b">I dna:chromosome\nACGT" + name.encode().translate(None, b"._mhpolv1")
        )
        put(root, f"{ENSEMBL}/Saccharomyces_cerevisiae.R64-1-1.{name}.fa.gz", content)
    for name in ("99", "99.abinitio", "99.chr"):
        put(root, f"{GFF3}/Saccharomyces_cerevisiae.R64-1-1.{name}.gff3.gz", GFF)
    for folder in (ENSEMBL, GFF3):
        put(root, f"{folder}/CHECKSUMS", sum_table(root, folder))
    put(root, "goldenPath/sacCer3/bigZips/sacCer3.2bit", b"two")
    put(root, "goldenPath/hg38/bigZips/hg38.2bit", b"two")
    put(root, "goldenPath/hg38/bigZips/hg38.fa.gz", FASTA)
    put(root, "goldenPath/hg38/bigZips/md5sum.txt", md5_table(root, "goldenPath/hg38/bigZips"))
    put(root, "ena/fasta/GCA_000146045.2", FASTA)
    return root


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def over_http(archive: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(archive))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def over_ftp(archive: Path) -> Iterator[str]:
    class Handler(FTPHandler):
        authorizer = DummyAuthorizer()
        use_sendfile = False

    Handler.authorizer.add_anonymous(str(archive))
    server = FTPServer(("127.0.0.1", 0), Handler)
    running = threading.Event()
    running.set()

    def serve() -> None:
        while running.is_set():
            server.serve_forever(timeout=0.02, blocking=False)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"ftp://127.0.0.1:{server.address[1]}"
    running.clear()
    thread.join()
    server.close_all()


@pytest.fixture(params=["over_http", "over_ftp"])
def base(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "PAUSE", 0.001)


def entry(base: str, **settings: Any) -> Assembly:
    names = ("ncbi", "ensembl", "ensembl_genomes", "ucsc")
    mirrors = {**dict.fromkeys(names, base), "ena": f"{base}/ena"}
    return Assembly(mirrors=mirrors, download_retries=1, **settings)


def fetched(assembly: Assembly, folder: Path, role: str = "sequence") -> Path:
    looked_up = folder / "addresses.json"
    look_up(assembly, looked_up)
    fetch_source(assembly, role, folder / role, looked_up=looked_up)
    assert {path.name for path in folder.iterdir()} == {"addresses.json", role}
    return folder / role


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(DownloadError) as caught:
        call()
    assert "To fix: " in str(caught.value)
    return str(caught.value)


TAIR = {"accession": "GCF_000001735.4"}
YEAST = {"ensembl": {"species": "Saccharomyces cerevisiae", "release": 99}}


@pytest.mark.parametrize(
    ("role", "content"),
    [("sequence", FASTA), ("annotation", GFF), ("assembly_report", REPORT.encode())],
    ids=["sequence", "annotation", "assembly_report"],
)
def test_ncbi(role: str, content: bytes, base: str, tmp_path: Path) -> None:
    assembly = entry(base, annotation="archive", **TAIR)
    assert fetched(assembly, tmp_path / "source", role).read_bytes() == content
    addresses = json.loads((tmp_path / "source" / "addresses.json").read_text())
    assert addresses[role]["md5"] == hashlib.md5(content).hexdigest()
    assert addresses["sequence"]["url"] == f"{base}/{NCBI}/{ENTRY}_genomic.fna.gz"


def test_an_annotation_wanted_later(over_http: str, tmp_path: Path) -> None:
    look_up(entry(over_http, **TAIR), tmp_path / "addresses.json")
    assembly = entry(over_http, annotation="archive", **TAIR)
    target = tmp_path / "gff"
    fetch_source(assembly, "annotation", target, looked_up=tmp_path / "addresses.json")
    assert target.read_bytes() == GFF


def test_an_entry_of_ncbi_becomes_a_genome_with_aliases(over_http: str, tmp_path: Path) -> None:
    assembly = entry(over_http, **TAIR)
    sequence = fetched(assembly, tmp_path / "a")
    report = fetched(assembly, tmp_path / "b", "assembly_report")
    prepare_genome(sequence, tmp_path / "genome", assembly, name="tair", report=report)
    assert "CP002684.1" in (tmp_path / "genome" / "aliases.tsv").read_text()


def test_ncbi_without_the_version(base: str, tmp_path: Path) -> None:
    message = refused(lambda: look_up(entry(base, accession="GCF_000001735.5"), tmp_path / "a"))
    assert "there is no assembly GCF_000001735.5" in message
    assert "'GCF_000001735.3_TAIR10'" in message and "needs the version" in message


def test_ncbi_without_the_accession(base: str, tmp_path: Path) -> None:
    message = refused(lambda: look_up(entry(base, accession="GCF_000009999.1"), tmp_path / "a"))
    assert "the archive has no such folder" in message and "correct `accession`" in message
    assert not (tmp_path / "a").exists()


def test_ncbi_without_annotation(over_http: str, archive: Path, tmp_path: Path) -> None:
    table = archive / NCBI / "md5checksums.txt"
    table.write_text("".join(row for row in table.open() if ".gff" not in row))
    look_up(entry(over_http, **TAIR), tmp_path / "a")
    message = refused(lambda: look_up(entry(over_http, annotation="archive", **TAIR), tmp_path))
    assert f"does not list {ENTRY}_genomic.gff.gz" in message and "not every assembly" in message


def test_the_archives_own_sum_is_checked(base: str, archive: Path, tmp_path: Path) -> None:
    put(archive, f"{NCBI}/{ENTRY}_genomic.fna.gz", FASTA + b"x")
    message = refused(lambda: fetched(entry(base, **TAIR), tmp_path / "source"))
    assert f"expected {hashlib.md5(FASTA).hexdigest()}" in message
    assert [file.name for file in (tmp_path / "source").iterdir()] == ["addresses.json"]


def test_your_own_sum_is_checked_too(over_http: str, tmp_path: Path) -> None:
    assembly = entry(over_http, sha256="0" * 64, **TAIR)
    assert f"expected {'0' * 64}" in refused(lambda: fetched(assembly, tmp_path / "source"))


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("sequence", f"{ENSEMBL}/Saccharomyces_cerevisiae.R64-1-1.dna_sm.toplevel.fa.gz"),
        ("annotation", f"{GFF3}/Saccharomyces_cerevisiae.R64-1-1.99.gff3.gz"),
    ],
)
def test_ensembl(role: str, name: str, base: str, archive: Path, tmp_path: Path) -> None:
    assembly = entry(base, annotation="archive", **YEAST)
    found = fetched(assembly, tmp_path / "source", role).read_bytes()
    assert found == (archive / name).read_bytes()
    address = json.loads((tmp_path / "source" / "addresses.json").read_text())[role]
    assert address["url"] == f"{base}/{name}" and address["unix_sum"]


def test_what_is_still_to_be_fetched_comes_from_the_new_mirror(
    over_http: str, over_ftp: str, tmp_path: Path
) -> None:
    looked_up = tmp_path / "addresses.json"
    look_up(entry(over_http, **TAIR), looked_up)
    before = looked_up.read_text().replace("127.0.0.1", "no-such-host.invalid")
    looked_up.write_text(before)
    fetch_source(entry(over_ftp, **TAIR), "sequence", tmp_path / "a", looked_up=looked_up)
    assert (tmp_path / "a").read_bytes() == FASTA and looked_up.read_text() == before


def test_ensembl_sums_are_checked(base: str, archive: Path, tmp_path: Path) -> None:
    file = archive / ENSEMBL / "Saccharomyces_cerevisiae.R64-1-1.dna_sm.toplevel.fa.gz"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    message = refused(lambda: fetched(entry(base, **YEAST), tmp_path / "source"))
    assert "the sum (checksum, blocks) of the download is" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"level": "primary_assembly"}, "*.dna_sm.primary_assembly.fa.gz of saccharomyces"),
        ({"release": 100}, "the archive has no such folder"),
        ({"species": "saccharomyces_cervisiae"}, "the archive has no such folder"),
    ],
)
def test_ensembl_without_it(change: dict[str, Any], words: str, base: str, tmp_path: Path) -> None:
    assembly = entry(base, ensembl={**YEAST["ensembl"], **change})
    message = refused(lambda: look_up(assembly, tmp_path / "a"))
    assert words in message and "correct `ensembl`" in message


@pytest.mark.parametrize(
    ("database", "file"), [("hg38", "hg38.fa.gz"), ("sacCer3", "sacCer3.2bit")]
)
def test_ucsc(database: str, file: str, base: str, archive: Path, tmp_path: Path) -> None:
    found = fetched(entry(base, ucsc=database), tmp_path / "source").read_bytes()
    assert found == (archive / "goldenPath" / database / "bigZips" / file).read_bytes()
    address = json.loads((tmp_path / "source" / "addresses.json").read_text())["sequence"]
    assert ("md5" in address) == (database == "hg38")


def test_ucsc_without_it(base: str, archive: Path, tmp_path: Path) -> None:
    (archive / "goldenPath/sacCer3/bigZips/sacCer3.2bit").unlink()
    message = refused(lambda: look_up(entry(base, ucsc="sacCer3"), tmp_path / "a"))
    assert "neither sacCer3.fa.gz nor sacCer3.2bit" in message
    assert "correct `ucsc`" in refused(lambda: look_up(entry(base, ucsc="sacCer9"), tmp_path / "a"))


def test_ena(over_http: str, tmp_path: Path) -> None:
    assembly = entry(over_http, ena="GCA_000146045.2")
    assert fetched(assembly, tmp_path / "source").read_bytes() == FASTA


def test_an_address_needs_no_looking_up(over_http: str, tmp_path: Path) -> None:
    url = f"{over_http}/{NCBI}/{ENTRY}_genomic.fna.gz"
    assembly = Assembly(url=url, annotation=f"{over_http}/{NCBI}/{ENTRY}_genomic.gff.gz")
    for role, content in (("sequence", FASTA), ("annotation", GFF)):
        fetch_source(assembly, role, tmp_path / role, looked_up=None)
        assert (tmp_path / role).read_bytes() == content


def test_unix_sums_agree_with_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = shutil.which("sum")
    for size in (1, 511, 512, 513, 1024, 1025, 70_000):
        file = tmp_path / "file"
        file.write_bytes(random.Random(size).randbytes(size))
        if program:
            for option, ours in (("-r", unixsum.bsd_sum(file)), ("-s", unixsum.sysv_sum(file))):
                printed = subprocess.run(
                    [program, option, file], capture_output=True, text=True, check=True
                ).stdout.split()
                assert ours == (int(printed[0]), int(printed[1]))
        found = unixsum.bsd_sum(file)
        with monkeypatch.context() as without:
            without.setattr(unixsum.shutil, "which", lambda _: None)
            assert unixsum.bsd_sum(file) == found
        assert unixsum.unix_sum_differs(file, f"{found[0]} {found[1]}") is None
        assert unixsum.unix_sum_differs(file, "{} {}".format(*unixsum.sysv_sum(file))) is None
        assert unixsum.unix_sum_differs(file, f"{found[0] ^ 1} {found[1]}")
