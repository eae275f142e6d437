"""From an entry of an archive to the addresses and checksums of its files.

This is the one place that asks an archive what it has, and it is asked only when the files are
about to be downloaded.
"""

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TypedDict, cast
from urllib.parse import unquote

from pipeline_lib.config.archives import Ensembl
from pipeline_lib.config.genome import FROM_ARCHIVE, Assembly
from pipeline_lib.errors import DownloadError
from pipeline_lib.files import read_json, write_json
from pipeline_lib.genome import archives
from pipeline_lib.genome.archives import Role
from pipeline_lib.genome.download import fetch_names, fetch_text
from pipeline_lib.genome.names import nearest, some
from pipeline_lib.genome.transfer import shown


class Address(TypedDict, total=False):
    """Where a file is, and the checksum its publisher gives, if there is one."""

    url: str
    md5: str
    unix_sum: str


Addresses = dict[Role, Address]

_CORRECT = {
    "accession": "correct `accession`; it needs the version, as in GCF_000001735.4",
    "ensembl": "correct `ensembl`: only some species have `level: primary_assembly`, and the "
    "release numbers of Ensembl Genomes are not those of Ensembl",
    "ucsc": "correct `ucsc`; names of databases are case-sensitive: sacCer3, hg38",
}


def resolve_addresses(assembly: Assembly, destination: Path) -> None:
    """Write the addresses of an assembly's files, and the mirrors they lead to, as JSON."""
    write_json(destination, {**resolve(assembly), "mirrors": assembly.mirrors.model_dump()})


def resolved_address(assembly: Assembly, role: Role, looked_up: Path) -> Address:
    """Return what :func:`resolve_addresses` found, or look again if that no longer serves.

    Other mirrors, or an annotation wanted later, are no reason for Snakemake to look everything
    up and fetch it again; but what is still to be fetched should be what is wanted now.
    """
    found = read_json(looked_up)
    if role in found and found["mirrors"] == assembly.mirrors.model_dump():
        return cast(Address, found[role])
    return resolve(assembly)[role]


def resolve(assembly: Assembly) -> Addresses:
    """Look up the files of an assembly's archive entry.

    Returns
    -------
    Address and checksum by role: always ``sequence``; ``assembly_report`` for NCBI; and
    ``annotation`` if it is to come from the archive.

    Raises
    ------
    DownloadError
        If the archive cannot be asked, or does not have the entry.
    """
    resolvers = {
        "accession": _ncbi,
        "ensembl": _ensembl,
        "ucsc": _ucsc,
        "ena": _ena,
    }
    if assembly.archive is None:
        raise ValueError("the assembly is a file or an address, not an entry of an archive")
    return resolvers[assembly.archive](assembly)


def _roles(assembly: Assembly) -> list[Role]:
    roles: list[Role] = ["sequence"]
    if assembly.annotation == FROM_ARCHIVE:
        roles.append("annotation")
    return roles


def _names(folder: str, assembly: Assembly) -> list[str]:
    """List a folder; if it does not exist, say so in terms of the entry asked for."""
    try:
        return fetch_names(folder, retries=assembly.download_retries)
    except DownloadError as error:
        if not re.search(r"answers (404|550)", error.problem):
            raise
        raise DownloadError(
            f"the archive has no such folder ({error.problem})",
            path=shown(folder),
            remedy=_CORRECT[assembly.archive or ""],
        ) from error


def _ncbi(assembly: Assembly) -> Addresses:
    accession, base = assembly.accession or "", assembly.mirrors.ncbi
    parent = archives.ncbi_parent(accession, base)
    names = _names(parent, assembly)
    found = archives.ncbi_entries(accession, names)
    if len(found) != 1:
        versions = [name for name in names if name.startswith(accession.split(".")[0])]
        has = f"the folder has {some(versions)}" if versions else "the folder has no version of it"
        raise DownloadError(
            f"there is no assembly {accession}; {has}",
            path=shown(parent),
            remedy=_CORRECT["accession"],
        )
    files = archives.ncbi_files(accession, found[0], base)
    folder = files["sequence"].rpartition("/")[0]
    sums = _md5s(f"{folder}/{archives.NCBI_SUMS}", assembly.download_retries)
    wanted: list[Role] = [*_roles(assembly), "assembly_report"]
    return {role: _with_md5(files[role], sums, must=role != "assembly_report") for role in wanted}


def _ensembl(assembly: Assembly) -> Addresses:
    entry = assembly.ensembl
    if entry is None:
        raise ValueError("no entry of Ensembl")
    addresses: Addresses = {}
    for role in _roles(assembly):
        folder = archives.ensembl_folder(entry, assembly.mirrors, role)
        names = _names(folder, assembly)
        pattern = archives.ensembl_pattern(entry, role)
        found = [name for name in names if pattern.fullmatch(name)]
        if len(found) != 1:
            raise _not_at_ensembl(entry, role, folder, names)
        address = Address(url=folder + found[0])
        if archives.ENSEMBL_SUMS in names:
            sums = fetch_text(folder + archives.ENSEMBL_SUMS, retries=assembly.download_retries)
            if stated := _unix_sums(sums).get(found[0]):
                address["unix_sum"] = stated
        addresses[role] = address
    return addresses


def _ucsc(assembly: Assembly) -> Addresses:
    database = assembly.ucsc or ""
    folder = archives.ucsc_folder(database, assembly.mirrors.ucsc)
    names = _names(folder, assembly)
    found = [name for name in archives.ucsc_names(database) if name in names]
    if not found:
        raise DownloadError(
            f"the folder has neither {' nor '.join(archives.ucsc_names(database))}; "
            f"it has {some(names)}",
            path=shown(folder),
            remedy=_CORRECT["ucsc"],
        )
    sums: dict[str, str] = {}
    if archives.UCSC_SUMS in names:
        sums = _md5s(folder + archives.UCSC_SUMS, assembly.download_retries)
    return {"sequence": _with_md5(folder + found[0], sums, must=False)}


def _ena(assembly: Assembly) -> Addresses:
    return {
        "sequence": Address(url=archives.ena_sequence(assembly.ena or "", assembly.mirrors.ena))
    }


def _with_md5(url: str, sums: dict[str, str], *, must: bool) -> Address:
    name = unquote(url.rpartition("/")[2])
    if name in sums:
        return Address(url=url, md5=sums[name])
    if must:
        raise DownloadError(
            f"the archive does not list {name}; the nearest files are {nearest(name, sums)}",
            path=shown(url),
            remedy="choose another assembly, or leave `annotation: archive` out if it is the "
            "annotation that is missing: not every assembly at NCBI is annotated",
        )
    return Address(url=url)


def _md5s(url: str, retries: int) -> dict[str, str]:
    """Return the md5 of each file of a table of checksums, by the file's name."""
    return dict(_md5_rows(fetch_text(url, retries=retries).splitlines()))


def _md5_rows(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    for line in lines:
        value, _, name = line.strip().partition(" ")
        name = name.strip().lstrip("*").removeprefix("./")
        # Files of sub-folders may bear the name of a file of the folder itself.
        if len(value) == 32 and name and "/" not in name:
            yield name, value.lower()


def _unix_sums(text: str) -> dict[str, str]:
    """Return ``"checksum blocks"`` by file name, of a table that the command ``sum`` made."""
    rows = (line.split() for line in text.splitlines())
    return {
        row[2].rpartition("/")[2]: f"{row[0]} {row[1]}"
        for row in rows
        if len(row) == 3 and row[0].isdigit() and row[1].isdigit()
    }


def _not_at_ensembl(
    entry: Ensembl, role: Role, folder: str, names: Collection[str]
) -> DownloadError:
    if role == "sequence":
        wanted = f"a file *.{entry.masking}.{entry.level}.fa.gz of {entry.species}"
    else:
        wanted = f"a file *.{entry.release}.gff3.gz of {entry.species}"
    return DownloadError(
        f"the folder does not have {wanted}; it has {some(names)}",
        path=shown(folder),
        remedy=_CORRECT["ensembl"],
    )
