"""Files `.hapt` (also zipped) and `.legend`: the formats of Yelmen et al. (2021).

A line of `.hapt` is a label, a name and the alleles, separated by spaces: ``Real HG00096_A 0 1``.
A legend has a header ``id position a0 a1`` and a line for each site.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_lib.application.haplotypes.panel import Alleles, Panel, unknown_sites
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path, write_text

LEGEND = ("id", "position", "a0", "a1")
_MOMENT = (1980, 1, 1, 0, 0, 0)  # the same file on every run
_LETTERS = frozenset("ACGT")
# What the library raises for damaged, encrypted and exotic archives.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, OverflowError,
)  # fmt: skip


def read_hapt(path: Path, legend: Path | None = None) -> Panel:
    """Read haplotypes, and their sites if a legend is given.

    Raises
    ------
    InputError
        If lines differ in length, hold anything but 0 and 1, or do not fit the legend.
    """
    names: list[str] = []
    rows: list[Alleles] = []
    label = ""
    for number, line in enumerate(_lines(path), start=1):
        fields = line.split(maxsplit=2)
        if not fields:
            continue
        if len(fields) < 3:
            raise InputError(
                f"is {line[:60]!r}",
                path=path,
                where=f"line {number:,}",
                expected="a label, a name and alleles: `Real HG00096_A 0 1 ...`",
                remedy="correct the line",
            )
        rows.append(_alleles(fields[2], path, number))
        names.append(fields[1])
        label = label or fields[0]
        if len(rows[-1]) != len(rows[0]):
            raise InputError(
                f"haplotype {fields[1]!r} has {len(rows[-1]):,} alleles, the first has "
                f"{len(rows[0]):,}",
                path=path,
                where=f"line {number:,}",
                expected="as many alleles in every line",
                remedy="correct the line, or take the file from its source again",
            )
    if not rows:
        raise InputError("holds no haplotypes", path=path, remedy="give another file")
    _check_names(names, path)
    sites = unknown_sites(len(rows[0])) if legend is None else read_legend(legend)
    if len(sites) != len(rows[0]):
        raise InputError(
            f"lists {len(sites):,} sites, but the haplotypes of {path} have {len(rows[0]):,}",
            path=legend,
            expected="one line for each site",
            remedy="give the legend of these haplotypes",
        )
    return Panel(np.stack(rows), names, sites, label)


def read_legend(path: Path) -> pd.DataFrame:
    """Read the sites of a legend; the contig is taken from ids such as ``1:1243896_C_T``.

    Raises
    ------
    InputError
        If a line is malformed.
    """
    lines = _existing(path).read_text(errors="replace").splitlines()
    if not lines or tuple(lines[0].split()[:4]) != LEGEND:
        raise InputError(
            f"begins with {(lines or [''])[0][:60]!r}",
            path=path,
            where="line 1",
            expected=f"the header `{' '.join(LEGEND)}`",
            remedy="give a legend",
        )
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        fields = line.split()
        if not fields:
            continue
        right = len(fields) >= 4 and fields[1].isdigit()
        if not right or not all(set(allele.upper()) <= _LETTERS for allele in fields[2:4]):
            raise InputError(
                f"is {line[:60]!r}",
                path=path,
                where=f"line {number:,}",
                expected="an id, a position and two alleles of A, C, G and T",
                remedy="correct the line",
            )
        head, found, _ = fields[0].partition(":")
        contig = head if found and head else "1"
        rows.append((fields[0], contig, int(fields[1]), fields[2].upper(), fields[3].upper()))
    return pd.DataFrame(rows, columns=["id", "contig", "position", "a0", "a1"])


def write_hapt(path: Path, panel: Panel) -> None:
    """Write haplotypes as `.hapt`, or as `.hapt.zip`; the same bytes for the same haplotypes."""
    with atomic_path(path) as temporary:
        if path.suffix == ".zip":
            about = zipfile.ZipInfo(path.stem, _MOMENT)
            about.compress_type = zipfile.ZIP_DEFLATED
            with zipfile.ZipFile(temporary, "w") as archive, archive.open(about, "w") as handle:
                for line in _written(panel):
                    handle.write(line)
        else:
            with temporary.open("wb") as handle:
                handle.writelines(_written(panel))


def write_legend(path: Path, sites: pd.DataFrame) -> None:
    """Write the sites of a panel as a legend."""
    lines = [" ".join(LEGEND)]
    lines += [" ".join(map(str, row)) for row in sites[list(LEGEND)].itertuples(index=False)]
    write_text(path, "\n".join(lines) + "\n")


def _written(panel: Panel) -> Iterator[bytes]:
    width = panel.alleles.shape[1]
    text = np.full(2 * width, ord(" "), dtype=np.uint8)
    text[-1] = ord("\n")
    for name, row in zip(panel.names, panel.alleles, strict=True):
        text[::2] = row + ord("0")
        yield f"{panel.label} {name} ".encode() + text.tobytes()


def _alleles(text: str, path: Path, number: int) -> Alleles:
    letters = np.frombuffer("".join(text.split()).encode(), dtype=np.uint8)
    wrong = np.flatnonzero((letters != ord("0")) & (letters != ord("1")))
    if len(wrong) or len(letters) != len(text.split()):
        found = text.split()
        place = next(i for i, allele in enumerate(found) if allele not in ("0", "1"))
        raise InputError(
            f"the allele of site {place + 1:,} is {found[place][:20]!r}",
            path=path,
            where=f"line {number:,}",
            expected="0 or 1",
            remedy="correct it, or leave the haplotype or the site out",
        )
    return letters - np.uint8(ord("0"))


def _lines(path: Path) -> Iterator[str]:
    _existing(path)
    if path.suffix != ".zip":
        with path.open(errors="replace") as handle:
            yield from handle
        return
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            if len(names) != 1:
                raise InputError(
                    f"holds {len(names)} files",
                    path=path,
                    expected="one `.hapt` file",
                    remedy="pack one file alone",
                )
            with archive.open(names[0]) as packed:
                yield from io.TextIOWrapper(packed, errors="replace")
    except _DAMAGED as error:
        raise InputError(
            f"cannot be unpacked ({error})", path=path, remedy="fetch the file again"
        ) from error


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError("no such file", path=path, remedy="check the path")
    return path


def _check_names(names: list[str], path: Path) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(
                f"haplotype {name!r} stands twice",
                path=path,
                expected="names that occur once",
                remedy="rename one of the two, or leave it out",
            )
        seen.add(name)
