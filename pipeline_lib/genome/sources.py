"""What the rules of the genome stage fetch, and how: the glue between the downloaders."""

from pathlib import Path
from typing import cast

from pipeline_lib.config.genome import Assembly
from pipeline_lib.genome import datasets
from pipeline_lib.genome.archives import Role
from pipeline_lib.genome.download import fetch
from pipeline_lib.genome.resolve import Address, resolve_addresses, resolved_address


def look_up(assembly: Assembly, destination: Path) -> None:
    """Write what is needed to fetch files of an archive: their addresses, or NCBI's package."""
    if destination.suffix == ".zip":
        datasets.fetch_package(assembly, destination)
    else:
        resolve_addresses(assembly, destination)


def fetch_source(
    assembly: Assembly, role: str, destination: Path, *, looked_up: Path | None
) -> None:
    """Fetch one file of an assembly.

    Parameters
    ----------
    assembly
        Settings of the assembly.
    role
        ``sequence``, ``annotation``, ``assembly_report`` or ``aliases``.
    destination
        Where it goes.
    looked_up
        What :func:`look_up` wrote, if the file comes from an archive; its own address is in the
        settings otherwise.
    """
    if looked_up is not None and looked_up.suffix == ".zip":
        datasets.extract(looked_up, cast(Role, role), destination)
        return
    sha256, md5 = {
        "sequence": (assembly.sha256, assembly.md5),
        "annotation": (assembly.annotation_sha256, None),
    }.get(role, (None, None))
    if looked_up is not None:
        address = resolved_address(assembly, cast(Role, role), looked_up)
    else:
        given = assembly.url if role == "sequence" else getattr(assembly, role)
        address = Address(url=str(given))
    fetch(
        address["url"],
        destination,
        sha256=sha256,
        md5=md5 or address.get("md5"),
        unix_sum=address.get("unix_sum"),
        retries=assembly.download_retries,
    )
