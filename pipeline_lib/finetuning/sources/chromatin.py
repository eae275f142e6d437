"""Which peaks cover a 200-base bin of the genome, as DeepSEA defines it.

Zhou and Troyanskaya 2015: the genome is cut into bins of 200 bases; a bin has a label if peaks of
that track cover more than half of it; the example is the sequence around the bin.
"""

from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from pipeline_lib.config.tasks_public import ChromatinTask
from pipeline_lib.corpus.bed import BedLine, read_bed
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.classes import as_column
from pipeline_lib.finetuning.sources.windows import needs_genome, resolve_contigs, with_sequences
from pipeline_lib.genome.names import some
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import Intervals
from pipeline_lib.randomness import named_generator


def read(settings: ChromatinTask, genome: Genome | None, seed: int = 0) -> Raw:
    """Make examples of the bins of a genome that have at least one label.

    Returns
    -------
    Raw
        ``position`` is the first base of the bin; it and its bin are in the middle of the
        sequence, which is of the forward strand. At most ``max_bins``, drawn at random.

    Raises
    ------
    InputError
        If the BED file is malformed, a peak has no name or does not fit on its contig, no track
        has enough peaks, or a group names no track.
    """
    genome = needs_genome(genome, settings.type)
    path = Path(settings.peaks)
    left_out: Counter[str] = Counter()
    peaks, tracks = _read_peaks(path, genome, settings, left_out)
    bins = _labelled_bins(peaks, len(tracks), settings.bin)
    counts = {contig: len(places) for contig, (places, _) in bins.items()}
    if not sum(counts.values()):
        raise InputError(
            f"no bin of {settings.bin} bases is covered by more than half",
            path=path,
            remedy="make `bin` smaller, or give a file with wider peaks",
        )
    chosen = _draw(counts, settings.max_bins, seed)
    left_out["bin not drawn"] += sum(counts.values()) - sum(map(len, chosen.values()))
    tables = [_windows(contig, *bins[contig], rows, settings) for contig, rows in chosen.items()]
    table = with_sequences(pd.concat(tables, ignore_index=True), genome, left_out)
    table = table.reset_index(drop=True).assign(assembly=settings.assembly)
    target = Target("labels", tracks, match_groups(tracks, settings))
    positives = np.sum(table["target"].to_list(), axis=0) if len(table) else np.zeros(len(tracks))
    notes: dict[str, object] = {
        "tracks": len(tracks),
        "bins_with_a_label": sum(counts.values()),
        "labels_per_example": float(positives.sum() / max(len(table), 1)),
    }
    return Raw(table, target, left_out, notes)


def match_groups(tracks: tuple[str, ...], settings: ChromatinTask) -> dict[str, tuple[int, ...]]:
    """Return the tracks of each group: those whose name matches one of its patterns.

    Raises
    ------
    InputError
        If no track matches.
    """
    groups = {}
    for group, patterns in settings.groups.items():
        members = tuple(
            index
            for index, track in enumerate(tracks)
            if any(fnmatchcase(track, pattern) for pattern in patterns)
        )
        if not members:
            raise InputError(
                f"no track is in the group {group!r}: none matches {some(patterns)}",
                path=settings.peaks,
                expected=f"patterns of names such as {some(tracks)}",
                remedy="correct `groups` of the task",
            )
        groups[group] = members
    return groups


def coverage(intervals: Intervals, bin_size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the bins that disjoint intervals touch, and how many bases of each they cover.

    >>> numbers, bases = coverage(Intervals.of([(150, 450), (500, 510)]), 200)
    >>> numbers.tolist(), bases.tolist()
    ([0, 1, 2], [50, 200, 60])
    """
    first, last = intervals.starts // bin_size, (intervals.ends - 1) // bin_size
    sizes = last - first + 1
    owner = np.repeat(np.arange(len(intervals)), sizes)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    touched = first[owner] + within
    left = np.maximum(intervals.starts[owner], touched * bin_size)
    right = np.minimum(intervals.ends[owner], (touched + 1) * bin_size)
    numbers, index = np.unique(touched, return_inverse=True)
    bases = np.bincount(index, weights=right - left, minlength=len(numbers))
    return numbers, bases.astype(np.int64)


Peaks = dict[str, dict[int, Intervals]]
"""Intervals by contig and number of the track."""


def _read_peaks(
    path: Path, genome: Genome, settings: ChromatinTask, left_out: Counter[str]
) -> tuple[Peaks, tuple[str, ...]]:
    names: dict[str, int] = {}
    spellings: dict[str, str] = {}
    rows: list[tuple[str, int, int, int]] = []
    for line in read_bed(path):
        if not line.name:
            raise _no_name(line, path)
        if line.contig not in spellings:
            spellings[line.contig] = resolve_contigs([line.contig], [line.number], genome, path)[0]
        contig = spellings[line.contig]
        if not contig:
            left_out["peak on a contig that was left out of the genome"] += 1
            continue
        if line.end > genome.contigs[contig]:
            raise _past_end(line, genome.contigs[contig], path)
        rows.append((contig, names.setdefault(line.name, len(names)), line.start, line.end))
    table = pd.DataFrame(rows, columns=["contig", "track", "start", "end"])
    counts = np.bincount(table["track"], minlength=len(names))
    kept = sorted(name for name, number in names.items() if counts[number] >= settings.min_peaks)
    left_out[f"track with fewer than {settings.min_peaks} peaks"] += len(names) - len(kept)
    if not kept:
        raise InputError(
            f"no track has {settings.min_peaks} peaks",
            path=path,
            expected="BED with the name of the track in the fourth column",
            remedy="make `min_peaks` smaller, or give all peaks",
        )
    renumbered = {names[name]: number for number, name in enumerate(kept)}
    peaks: Peaks = {}
    for key, part in table.groupby(["contig", "track"], sort=True):
        where, track = cast(tuple[str, int], key)
        if track in renumbered:
            merged = Intervals.union(part["start"].to_numpy(), part["end"].to_numpy())
            peaks.setdefault(where, {})[renumbered[track]] = merged
    return peaks, tuple(kept)


def _labelled_bins(
    peaks: Peaks, tracks: int, bin_size: int
) -> dict[str, tuple[NDArray[np.int64], sparse.csr_matrix]]:
    """Return for each contig the bins with a label, and their labels (bins, tracks)."""
    result = {}
    for contig, by_track in peaks.items():
        columns, owners = [], []
        for track, intervals in by_track.items():
            numbers, bases = coverage(intervals, bin_size)
            columns.append(numbers[2 * bases > bin_size])
            owners.append(np.full(len(columns[-1]), track, dtype=np.int64))
        numbers, index = np.unique(np.concatenate(columns), return_inverse=True)
        track_index = np.concatenate(owners)
        ones = np.ones(len(index), dtype=np.float32)
        labels = sparse.csr_matrix((ones, (index, track_index)), shape=(len(numbers), tracks))
        result[contig] = (numbers, labels)
    return result


def _draw(counts: dict[str, int], most: int, seed: int) -> dict[str, NDArray[np.int64]]:
    """Choose bins at random over all contigs; return their rows by contig, in order."""
    priority = {
        contig: named_generator(seed, "bins", contig).random(count)
        for contig, count in counts.items()
    }
    everything = np.concatenate(list(priority.values()))
    bar = np.inf if len(everything) <= most else np.partition(everything, most - 1)[most - 1]
    return {contig: np.flatnonzero(values <= bar) for contig, values in priority.items()}


def _windows(
    contig: str,
    numbers: NDArray[np.int64],
    labels: sparse.csr_matrix,
    rows: NDArray[np.int64],
    settings: ChromatinTask,
) -> pd.DataFrame:
    position = numbers[rows] * settings.bin
    start = position + settings.bin // 2 - settings.context // 2
    return pd.DataFrame(
        {
            "contig": contig,
            "strand": "+",
            "position": position,
            "start": start,
            "end": start + settings.context,
            "target": as_column(labels[rows].toarray()),
        }
    )


def _no_name(line: BedLine, path: Path) -> InputError:
    return InputError(
        f"the peak {line.contig}:{line.start}-{line.end} has no name",
        path=path,
        where=f"line {line.number}",
        expected="the name of its track in the fourth column",
        remedy="add the name, for example with awk from the name of the file of each track",
    )


def _past_end(line: BedLine, length: int, path: Path) -> InputError:
    return InputError(
        f"the peak {line.contig}:{line.start}-{line.end} ends past the contig's end",
        path=path,
        where=f"line {line.number}",
        expected=f"an end of at most {length:,}",
        remedy="use the assembly version that the file was made for",
    )
