"""NCBI's program ``datasets`` as the downloader of NCBI accessions.

It fetches one zip archive for each assembly; the files are then taken out of it one by one.
"""

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline_lib.config.genome import FROM_ARCHIVE, Assembly
from pipeline_lib.errors import DownloadError
from pipeline_lib.files import atomic_path, checksum
from pipeline_lib.genome.archives import Role

PROGRAM = "datasets"
_INSTALL = (
    "run snakemake with `--sdm conda`, or install it with `conda install -c conda-forge "
    "ncbi-datasets-cli`, or leave `downloader: datasets` out"
)
_MEMBERS: dict[Role, tuple[str, str]] = {  # what to ask for, and how the file's name ends
    "sequence": ("genome", "_genomic.fna"),
    "annotation": ("gff3", "genomic.gff"),
    "assembly_report": ("seq-report", "sequence_report.jsonl"),
}
# Columns of an assembly report, and the keys of the same things in a sequence report.
_COLUMNS = {
    "Sequence-Name": ("sequenceName", "chrName"),
    "Sequence-Role": ("role",),
    "Assigned-Molecule": ("chrName",),
    "Assigned-Molecule-Location/Type": ("assignedMoleculeLocationType",),
    "GenBank-Accn": ("genbankAccession",),
    "RefSeq-Accn": ("refseqAccession",),
    "Sequence-Length": ("length",),
    "UCSC-style-name": ("ucscStyleName",),
}


def fetch_package(assembly: Assembly, destination: Path) -> None:
    """Download the zip archive of an accession.

    The API key, where there is one, reaches the program through its environment and appears in
    no command line and no log.

    Raises
    ------
    DownloadError
        If the program is missing or fails.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise DownloadError(
            f"the program `{PROGRAM}` of NCBI is not installed",
            where="genome.downloader",
            remedy=_INSTALL,
        )
    accession = assembly.accession or ""
    roles: list[Role] = ["sequence", "assembly_report"]
    if assembly.annotation == FROM_ARCHIVE:
        roles.append("annotation")
    include = ",".join(_MEMBERS[role][0] for role in roles)
    with atomic_path(destination) as temporary:
        command = [program, "download", "genome", "accession", accession]
        command += ["--include", include, "--no-progressbar", "--filename", str(temporary)]
        attempts = assembly.download_retries + 1
        for _ in range(attempts):
            answer = subprocess.run(
                command, env=_environment(assembly), capture_output=True, text=True, check=False
            )
            if answer.returncode == 0 and temporary.exists():
                return
            temporary.unlink(missing_ok=True)
        last = (answer.stderr.strip() or answer.stdout.strip() or "no message").splitlines()[-1]
        raise DownloadError(
            f"`{PROGRAM}` fails after {attempts:,} attempts with: {last}",
            where=f"accession {accession}",
            remedy="check the accession and the network, or leave `downloader: datasets` out",
        )


def extract(package: Path, role: Role, destination: Path) -> None:
    """Take one file out of a downloaded archive, after a look at its checksum.

    Raises
    ------
    DownloadError
        If the archive is damaged or lacks the file.
    """
    try:
        with zipfile.ZipFile(package) as archive, atomic_path(destination) as temporary:
            member = _member(archive, role, package)
            with archive.open(member) as source, temporary.open("wb") as target:
                if role == "assembly_report":
                    target.writelines(_report_lines(source))
                else:
                    shutil.copyfileobj(source, target, 1 << 20)
                    target.flush()
                    _check_md5(archive, member, temporary, package)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError) as error:
        raise DownloadError(
            f"the archive of `{PROGRAM}` is damaged ({error})",
            path=package,
            remedy="remove the file and run again",
        ) from error


def _environment(assembly: Assembly) -> dict[str, str]:
    key = os.environ.get(assembly.ncbi_api_key_variable)
    return {**os.environ, **({"NCBI_API_KEY": key} if key else {})}


def _member(archive: zipfile.ZipFile, role: Role, package: Path) -> str:
    ending = _MEMBERS[role][1]
    found = [name for name in archive.namelist() if name.endswith(ending)]
    if len(found) != 1:
        raise DownloadError(
            f"the archive of `{PROGRAM}` holds {len(found)} files *{ending}",
            path=package,
            expected="one",
            remedy="choose another assembly, or leave `annotation: archive` out if it is the "
            "annotation that is missing: not every assembly at NCBI is annotated",
        )
    return found[0]


def _check_md5(archive: zipfile.ZipFile, member: str, file: Path, package: Path) -> None:
    if "md5sum.txt" not in archive.namelist():
        return
    rows = (line.split(maxsplit=1) for line in archive.read("md5sum.txt").decode().splitlines())
    wanted = {row[1].strip(): row[0] for row in rows if len(row) == 2}.get(member)
    if wanted is not None and checksum(file, "md5") != wanted:
        raise DownloadError(
            f"the md5 of {member} is {checksum(file, 'md5')}",
            path=package,
            expected=wanted,
            remedy="remove the file and run again",
        )


def _report_lines(source: Any) -> Iterator[bytes]:
    """Turn a sequence report (one JSON object a line) into the lines of an assembly report."""
    yield ("# " + "\t".join(_COLUMNS) + "\n").encode()
    for line in source:
        if line.strip():
            row = json.loads(line)
            values = (
                next((row[key] for key in keys if row.get(key) not in (None, "")), "na")
                for keys in _COLUMNS.values()
            )
            yield ("\t".join(" ".join(str(value).split()) for value in values) + "\n").encode()
