"""Haplotypes in any of the formats we know, chosen by the ending of the file."""

from pathlib import Path

from pipeline_lib.application.haplotypes.hapt import read_hapt, write_hapt, write_legend
from pipeline_lib.application.haplotypes.panel import Panel
from pipeline_lib.application.haplotypes.vcf import read_vcf, write_vcf
from pipeline_lib.errors import InputError

READ = (".hapt", ".hapt.zip", ".vcf", ".vcf.gz", ".bcf")
WRITTEN = (".hapt", ".hapt.zip", ".vcf", ".vcf.gz")


def read_panel(path: Path, legend: Path | None = None) -> Panel:
    """Read haplotypes: VCF or BCF, or `.hapt` with its legend.

    Raises
    ------
    InputError
        If the ending is of no known format, or the file cannot be used.
    """
    path = Path(path)
    if path.name.endswith((".hapt", ".hapt.zip", ".hapt.test", ".hapt.train")):
        return read_hapt(path, legend)
    if path.name.endswith((".vcf", ".vcf.gz", ".vcf.bgz", ".bcf")):
        return read_vcf(path)
    raise _ending(path, READ)


def check_ending(path: Path) -> None:
    """Refuse an output of no known format before any work is done.

    Raises
    ------
    InputError
        Naming the formats there are.
    """
    if not path.name.endswith(WRITTEN):
        raise _ending(path, WRITTEN)


def write_panel(path: Path, panel: Panel) -> None:
    """Write haplotypes in the format of the ending; beside `.hapt` also a `.legend`."""
    check_ending(path)
    if path.name.endswith((".vcf", ".vcf.gz")):
        write_vcf(path, panel)
        return
    write_hapt(path, panel)
    write_legend(legend_of(path), panel.sites)


def legend_of(path: Path) -> Path:
    """Return where the legend of a `.hapt` file is written."""
    return path.with_name(path.name.removesuffix(".zip").removesuffix(".hapt") + ".legend")


def _ending(path: Path, known: tuple[str, ...]) -> InputError:
    return InputError(
        f"the ending of {path.name!r} is of no format of haplotypes",
        path=path,
        expected=", ".join(known),
        remedy="rename the file by its format, or convert it",
    )
