"""Tracks as files for genome browsers: bigWig, or compressed bedGraph."""

import gzip
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.application.annotation.tracks import Track, Values
from pipeline_lib.errors import InputError

SUFFIXES = {"bigwig": ".bw", "bedgraph": ".bedgraph.gz"}
STRANDS = {"+": ".forward", "-": ".reverse", ".": ""}


def check_format(kind: str) -> None:
    """Refuse a format whose library is missing.

    Raises
    ------
    InputError
        If ``pyBigWig`` is needed and not installed.
    """
    if kind == "bigwig" and find_spec("pyBigWig") is None:
        raise InputError(
            "bigWig files need `pyBigWig`, which is not installed",
            expected="the extra `tracks`",
            remedy="run `pip install 'dnalm[tracks]'`, or write `--format bedgraph`",
        )


def file_names(tracks: Sequence[Track], kind: str) -> list[str]:
    """Return the name of the file of each track: that of its class and strand.

    >>> file_names([Track("a|b", "+"), Track("a b", "+")], "bigwig")
    ['a_b.forward.bw', 'a_b.forward.2.bw']
    """
    found: list[str] = []
    for track in tracks:
        stem = re.sub(r"[^A-Za-z0-9.-]+", "_", track.name).strip("._") or "track"
        stem += STRANDS[track.strand]
        number, name = 1, stem
        while name.lower() in (other.lower() for other in found):
            number += 1
            name = f"{stem}.{number}"
        found.append(name)
    return [name + SUFFIXES[kind] for name in found]


class TrackFile(ABC):
    """One track; values come contig after contig in the order of the genome, ascending."""

    @abstractmethod
    def write(self, contig: str, first: int, size: int, values: NDArray[np.float32]) -> None:
        """Write the values of some bins, side by side; NaN is left out.

        Parameters
        ----------
        first
            First base of the first bin.
        size
            Bases of a bin.
        values
            Shape (bins,).
        """

    @abstractmethod
    def close(self) -> None:
        """End the file."""


def open_tracks(
    folder: Path, tracks: Sequence[Track], kind: str, contigs: Mapping[str, int]
) -> list[TrackFile]:
    """Return a file for each track, ready to be written.

    Parameters
    ----------
    contigs
        Length by name, of all contigs of the genome.
    """
    paths = [folder / name for name in file_names(tracks, kind)]
    if kind == "bigwig":
        return [_BigWig(path, contigs) for path in paths]
    return [_BedGraph(path, contigs) for path in paths]


def write_values(
    files: Sequence[TrackFile], contig: str, first: int, size: int, values: Values
) -> None:
    """Write values of shape (bins, tracks), a column to each file."""
    for file, column in zip(files, values.T, strict=True):
        file.write(contig, first, size, column)


class _BigWig(TrackFile):
    def __init__(self, path: Path, contigs: Mapping[str, int]) -> None:
        self._contigs = contigs
        self._file: Any = import_module("pyBigWig").open(str(path), "w")
        self._file.addHeader(list(contigs.items()))

    def write(self, contig: str, first: int, size: int, values: NDArray[np.float32]) -> None:
        """Write some bins; see :class:`TrackFile`."""
        kept = np.flatnonzero(~np.isnan(values))
        length = self._contigs[contig]
        over = len(kept) and first + (int(kept[-1]) + 1) * size > length
        whole = kept[:-1] if over else kept
        if len(whole):
            found = values[whole].astype(np.float64)
            if whole[-1] - whole[0] + 1 == len(whole):  # side by side: no places are stored
                start = int(first + whole[0] * size)
                self._file.addEntries(contig, start, values=found, span=size, step=size)
            else:
                self._file.addEntries(contig, first + whole * size, values=found, span=size)
        if over:  # a bin that the end of the contig cuts
            start = int(first + kept[-1] * size)
            self._file.addEntries(
                contig, [start], values=[float(values[kept[-1]])], span=length - start
            )

    def close(self) -> None:
        """Write the index and the summaries for browsers."""
        self._file.close()


class _BedGraph(TrackFile):
    def __init__(self, path: Path, contigs: Mapping[str, int]) -> None:
        self._contigs, self._raw = contigs, path.open("wb")
        # Neither name nor time: the same values are the same bytes.
        self._file = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, mtime=0)

    def write(self, contig: str, first: int, size: int, values: NDArray[np.float32]) -> None:
        """Write some bins; see :class:`TrackFile`. Bins of one value become one line."""
        edges = np.flatnonzero(values[1:] != values[:-1]) + 1
        bounds = [0, *edges.tolist(), len(values)]
        length = self._contigs[contig]
        lines = []
        for low, high in pairwise(bounds):
            if not np.isnan(values[low]):
                span = f"{first + low * size}\t{min(first + high * size, length)}"
                lines.append(f"{contig}\t{span}\t{values[low]:.6g}\n")
        self._file.write("".join(lines).encode())

    def close(self) -> None:
        """End the file."""
        self._file.close()
        self._raw.close()
