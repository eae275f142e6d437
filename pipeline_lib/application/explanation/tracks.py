"""Importance along contigs, for genome browsers: bedGraph, and bigWig where it can be written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline_lib.application.explanation.model import Array
from pipeline_lib.application.inputs import has_place
from pipeline_lib.errors import InputError
from pipeline_lib.files import write_text

Track = dict[str, tuple[np.ndarray, Array]]
"""By contig: places on the forward strand, ascending, and the value of each."""


def track_of(table: pd.DataFrame, importance: Sequence[Array]) -> Track:
    """Return the importance of bases whose place is known; where sequences overlap, the mean."""
    places: dict[str, list[np.ndarray]] = {}
    values: dict[str, list[Array]] = {}
    known = has_place(table)
    columns = zip(table["contig"], table["start"], table["end"], table["strand"], strict=True)
    for (contig, start, end, strand), found, placed in zip(columns, importance, known, strict=True):
        if placed:
            places.setdefault(contig, []).append(np.arange(start, end))
            values.setdefault(contig, []).append(found[::-1] if strand == "-" else found)
    track: Track = {}
    for contig in sorted(places):
        bases, member = np.unique(np.concatenate(places[contig]), return_inverse=True)
        sums = np.bincount(member, weights=np.concatenate(values[contig]))
        track[contig] = bases, sums / np.bincount(member)
    return track


def write_bedgraph(path: Path, track: Track, name: str) -> None:
    """Write a track as bedGraph, one line a base."""
    lines = [f'track type=bedGraph name="{name}"\n']
    for contig, (places, values) in track.items():
        lines += [
            f"{contig}\t{place}\t{place + 1}\t{value:.6g}\n"
            for place, value in zip(places.tolist(), values.tolist(), strict=True)
        ]
    write_text(path, "".join(lines))


def write_bigwig(path: Path, track: Track, lengths: Mapping[str, int]) -> None:
    """Write a track as bigWig.

    Parameters
    ----------
    path
        File to write.
    track
        Of contigs that ``lengths`` has.
    lengths
        Bases of each contig.

    Raises
    ------
    InputError
        If the package that writes them is not installed.
    """
    pybigwig = _package()
    contigs = [contig for contig in lengths if contig in track]
    handle = pybigwig.open(str(path), "w")
    handle.addHeader([(contig, lengths[contig]) for contig in contigs])
    for contig in contigs:
        places, values = track[contig]
        handle.addEntries(contig, places.tolist(), values=values.tolist(), span=1)
    handle.close()


def has_bigwig() -> bool:
    """Tell whether bigWig files can be written here."""
    try:
        _package()
    except InputError:
        return False
    return True


def _package() -> Any:
    try:
        import pyBigWig
    except ImportError as error:
        raise InputError(
            "bigWig files are written by the package pyBigWig, which is not installed",
            remedy="run `pip install 'dnalm[tracks]'`, or take the bedGraph file",
        ) from error
    return pyBigWig
