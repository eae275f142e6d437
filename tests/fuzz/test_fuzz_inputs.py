"""Damaged files give a sentence or a result: no traceback, no hang, nothing half-written.

FUZZ_INPUTS is the number of damaged files of each kind: 40, or 2,500 in a full run.
"""

import gzip
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_lib.config.genome import Assembly
from pipeline_lib.errors import DnalmError
from pipeline_lib.genome import prepare_annotation, prepare_genome
from tests.fuzz.mutate import mutate
from tests.genome.twobit_writer import write_twobit

INPUTS = int(os.environ.get("FUZZ_INPUTS", "40"))
LONGEST = 60.0  # seconds for one file
SETTINGS = Assembly(path="genome.fa", min_contig_length=1, drop_organelles=())

DNA = random.Random(5)
CONTIGS = {
    f"chr{name}": "".join(DNA.choices("ACGTacgtNn", k=size))
    for name, size in (("I", 900), ("II", 333), ("III", 61))
}
FASTA = "".join(
    f">{name} some words\n"
    + "".join(f"{sequence[start : start + 60]}\n" for start in range(0, len(sequence), 60))
    for name, sequence in CONTIGS.items()
).encode()
REPORT = (
    "# Sequence-Name\tSequence-Role\tAssigned-Molecule\tAssigned-Molecule-Location/Type\t"
    "GenBank-Accn\tRelationship\tRefSeq-Accn\tAssembly-Unit\tSequence-Length\tUCSC-style-name\n"
    + "".join(
        f"{name[3:]}\tassembled-molecule\t{name[3:]}\tChromosome\tCM{n:06d}.1\t=\tNC_{n:06d}.1\t"
        f"Primary\t{len(sequence)}\t{name}\n"
        for n, (name, sequence) in enumerate(CONTIGS.items())
    )
).encode()
ALIASES = b"# name\tother\nchrI\tone\nchrII\ttwo\nchrIII\tthree\n"
GFF3 = (
    b"##gff-version 3\n##sequence-region chrI 1 900\n"
    b"chrI\tsgd\tchromosome\t1\t900\t.\t.\t.\tID=chrI;Is_circular=true\n"
    b"chrI\tsgd\tgene\t10\t400\t.\t+\t.\tID=g1;Name=A%3BB;Note=a,b\n"
    b"chrI\tsgd\tmRNA\t10\t400\t.\t+\t.\tID=t1;Parent=g1\n"
    b"chrI\tsgd\tCDS\t10\t99\t0.5\t+\t0\tID=c1;Parent=t1\n"
    b"chrI\tsgd\tCDS\t200\t400\t.\t+\t1\tID=c1;Parent=t1,t2\n"
    b"II\tsgd\tgene\t5\t300\t.\t-\t.\tID=g2\n"
    b"chrIII\tsgd\trepeat_region\t1\t61\t.\t?\t.\tID=r\n###\n"
)
TWOBIT = {
    "2bit": write_twobit(CONTIGS),
    "2bit, big-endian": write_twobit(CONTIGS, order=">"),
    "2bit, version 1": write_twobit(CONTIGS, version=1),
}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "genome.fa").write_bytes(FASTA)
    prepare_genome(folder / "genome.fa", folder / "genome", SETTINGS, name="fuzz")
    return folder


def packed(data: bytes, rng: random.Random) -> bytes:
    """Return damaged data: plain, damaged and then compressed, or compressed and then damaged."""
    way = rng.randrange(3)
    if way == 0:
        return mutate(data, rng)
    if way == 1:
        return gzip.compress(mutate(data, rng), compresslevel=1)
    return mutate(gzip.compress(data, compresslevel=1), rng)


def run(call: Callable[[], None], folder: Path, seed: str) -> bool:
    """Make one call; return whether it succeeded. Anything but a sentence is a failure."""
    before = sorted(folder.rglob("*")) if folder.exists() else []
    start = time.monotonic()
    try:
        call()
        fine = True
    except DnalmError as error:
        fine = False
        assert "To fix: " in str(error), seed
        after = sorted(folder.rglob("*")) if folder.exists() else []
        assert [file for file in after if file.is_file()] == [
            file for file in before if file.is_file()
        ], seed
    except Exception as error:
        raise AssertionError(f"{seed}: {type(error).__name__}: {error}") from error
    assert time.monotonic() - start < LONGEST, seed
    return fine


def clean(folder: Path) -> None:
    for file in folder.glob("*"):
        file.unlink()


KINDS: dict[str, tuple[str, bytes]] = {
    "FASTA": ("source", FASTA),
    "assembly report": ("report", REPORT),
    "table of aliases": ("aliases", ALIASES),
    **{name: ("source", content) for name, content in TWOBIT.items()},
}


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_genomes(kind: str, work: Path) -> None:
    role, content = KINDS[kind]
    damaged, out = work / "damaged", work / "out"
    fine = 0
    for number in range(INPUTS):
        rng = random.Random(f"{kind} {number}")
        damaged.write_bytes(packed(content, rng) if "2bit" not in kind else mutate(content, rng))
        files = {"source": work / "genome.fa", "report": None, "aliases": None, role: damaged}
        source = files.pop("source")

        def call(source=source, files=files) -> None:
            prepare_genome(source, out, SETTINGS, name="fuzz", **files)

        fine += run(call, out, f"{kind} {number}")
        clean(out)
    assert 0 < fine < INPUTS


def test_damaged_annotations(work: Path) -> None:
    damaged, out = work / "damaged.gff3", work / "genome"
    fine = 0
    for number in range(INPUTS):
        rng = random.Random(f"GFF3 {number}")
        damaged.write_bytes(packed(GFF3, rng))
        fine += run(lambda: prepare_annotation(damaged, out), out, f"GFF3 {number}")
        for file in out.glob("annotation*"):
            file.unlink()
    assert 0 < fine < INPUTS
