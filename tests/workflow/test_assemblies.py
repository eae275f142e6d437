"""Assemblies of a sheet from an archive: what fails is named, what succeeded is kept."""

import functools
import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


class Quiet(http.server.SimpleHTTPRequestHandler):
    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


def put_assembly(root: Path, accession: str, sequence: Path) -> None:
    """Lay a genome out as NCBI does."""
    digits = accession[4:13]
    folder = root / "genomes/all/GCF" / digits[:3] / digits[3:6] / digits[6:]
    folder = folder / f"{accession}_test"
    folder.mkdir(parents=True)
    content = sequence.read_bytes()
    header = (
        "# Sequence-Name\tSequence-Role\tAssigned-Molecule\tAssigned-Molecule-Location/Type\t"
        "GenBank-Accn\tRefSeq-Accn\tSequence-Length\n"
        "I\tassembled-molecule\tI\tChromosome\tBK006935.2\tNC_001133.9\tna\n"
    )
    names = {"genomic.fna.gz": content, "assembly_report.txt": header.encode()}
    table = ""
    for name, data in names.items():
        (folder / f"{accession}_test_{name}").write_bytes(data)
        table += f"{hashlib.md5(data).hexdigest()}  ./{accession}_test_{name}\n"
    (folder / "md5checksums.txt").write_text(table)


@pytest.fixture
def archive(small_genome: Path, tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    root, seen = tmp_path / "archive", []
    for accession in ("GCF_000000001.1", "GCF_000000002.1"):
        put_assembly(root, accession, small_genome / "small.fa.gz")
    handler = functools.partial(type("Seen", (Quiet,), {"seen": seen}), directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", root, seen
        server.shutdown()
        thread.join()


def test_failures_are_named_and_the_rest_is_kept(
    archive: tuple[str, Path, list[str]], new_project: Callable[..., Any]
) -> None:
    base, root, seen = archive
    project = new_project()
    sheet = (
        "assembly\tspecies\taccession\turl\n"
        "one\tYeast\tGCF_000000001.1\n"
        "two\tYeast\tGCF_000000002.1\n"
        f"three\tYeast\t\t{base}/absent.fa.gz\n"
    )
    (project.folder / "species.tsv").write_text(sheet)
    mirrors = {"ncbi": base}
    genome = {"sheet": "species.tsv", "mirrors": mirrors, "download_retries": 0}
    project.values["genome"] |= genome
    project.values["corpus"]["corpora"]["small"]["assemblies"] = ["small", "one", "two", "three"]
    project.write()
    hidden = root / "genomes/all/GCF/000/000/002"
    hidden.rename(root / "hidden")
    answer = project.run("genome", "--keep-going")
    assert answer.returncode != 0
    assert "2 of 4 assemblies failed:" in answer.stderr
    assert "two (look-up): " in answer.stderr and "correct `accession`" in answer.stderr
    assert "three (download): " in answer.stderr and "404 File not found" in answer.stderr
    assert "2 assemblies are ready and kept" in answer.stderr
    results = project.folder / "results" / "genome"
    assert "BK006935.2" in (results / "one" / "aliases.tsv").read_text()
    assert "one (" not in answer.stderr

    (root / "hidden").rename(hidden)
    (root / "absent.fa.gz").write_bytes((project.folder / "data" / "small.fa.gz").read_bytes())
    seen.clear()
    project.values["genome"] |= {"mirrors": {"ncbi": f"{base}/."}, "download_retries": 2}
    project.write()
    project.succeed("genome", "--keep-going")
    assert (results / "two" / "stats.json").exists() and (results / "three/stats.json").exists()
    assert not any("000000001" in path for path in seen if path.endswith(".gz"))


def test_another_mirror_or_more_retries_fetch_nothing_again(
    archive: tuple[str, Path, list[str]], new_project: Callable[..., Any]
) -> None:
    base, _, _ = archive
    project = new_project()
    entry = {"accession": "GCF_000000001.1", "mirrors": {"ncbi": base}}
    project.values["genome"]["assemblies"]["one"] = entry
    project.values["corpus"]["corpora"]["small"]["assemblies"] = ["small", "one"]
    project.write()
    project.succeed("genome")
    entry["mirrors"] = {"ncbi": "https://example.org"}
    entry["download_retries"] = 9
    project.write()
    assert project.planned("genome") == set()
    entry["accession"] = "GCF_000000002.1"
    project.write()
    assert {"genome_look_up", "genome_download", "genome_prepare"} <= project.planned("genome")
