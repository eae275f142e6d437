"""Numbers along a genome: the mean of each bin in bigWig, bedGraph or BED files.

Where a file says nothing the number is 0, as such files leave out what was not seen.
"""

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.config.tasks_dense import TracksTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.dense import Floats, completed, tiled
from pipeline_lib.finetuning.sources.windows import find_contig, needs_genome, resolve_contigs
from pipeline_lib.genome.reader import Genome
from pipeline_lib.genome.source import read_lines

BIGWIG = (".bw", ".bigwig")
Steps = dict[str, tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]


def read(settings: TracksTask, genome: Genome | None, seed: int = 0) -> Raw:
    """Make windows with a number for each bin and track.

    Raises
    ------
    InputError
        If a file is malformed, names unknown contigs, or holds a number below 0.
    """
    genome = needs_genome(genome, settings.type)
    paths = [Path(name) for name in settings.files]
    names = settings.names or tuple(path.name.split(".")[0] for path in paths)
    units = settings.window // settings.bin
    readers = [_reader(path, genome, settings) for path in paths]

    def labels(contig: str, _: str, positions: NDArray[np.int64]) -> Floats:
        result = np.empty((len(positions), units, len(readers)), dtype=np.float32)
        for number, reader in enumerate(readers):
            result[:, :, number] = reader.bins(contig, positions, units, settings.bin)
        return result.reshape(len(positions), -1)

    left_out: Counter[str] = Counter()
    table = completed(tiled(genome, settings), genome, settings, labels, left_out, seed)
    return Raw(table, Target("tracks", names, bin=settings.bin, units=units), left_out)


class _Intervals:
    """A track as intervals with a number, in memory; intervals that overlap add up."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def bins(self, contig: str, positions: NDArray[np.int64], units: int, size: int) -> Floats:
        """Return the mean of each bin of windows that begin at positions; (windows, units)."""
        edges = positions[:, None] + size * np.arange(units + 1)
        if contig not in self._steps:
            return np.zeros((len(positions), units), dtype=np.float32)
        starts, ends, values = self._steps[contig]
        # The integral up to an edge: what has begun before it less what has ended before it.
        area = _before(edges, starts, values) - _before(edges, ends, values)
        return np.asarray(np.diff(area, axis=1) / size, dtype=np.float32).clip(0)


class _BigWig:
    """A track in a bigWig file."""

    def __init__(self, path: Path, genome: Genome) -> None:
        self._path, self._file = path, _open_bigwig(path)
        self._names: dict[str, str] = {}
        for name in self._file.chroms():
            if contig := find_contig(name, genome):
                self._names.setdefault(contig, name)
        if not self._names:
            raise InputError(
                f"none of its contigs is one of the genome: {', '.join(self._file.chroms())[:80]}",
                path=path,
                remedy="use the assembly that the file was made for",
            )

    def bins(self, contig: str, positions: NDArray[np.int64], units: int, size: int) -> Floats:
        """Return the mean of each bin of windows that begin at positions; (windows, units)."""
        result = np.zeros((len(positions), units), dtype=np.float32)
        if contig not in self._names:
            return result
        name = self._names[contig]
        length = self._file.chroms(name)
        for row, start in enumerate(positions.tolist()):
            end = start + units * size
            if end > length:
                raise InputError(
                    f"{name!r} has {length:,} bases, fewer than the contig of the genome",
                    path=self._path,
                    remedy="use the assembly that the file was made for",
                )
            values = np.nan_to_num(self._file.values(name, start, end, numpy=True))
            if (values < 0).any():
                raise _negative(self._path, f"{name}:{start}-{end}", float(values.min()))
            result[row] = values.reshape(units, size).mean(axis=1)
        return result


def _reader(path: Path, genome: Genome, settings: TracksTask) -> _Intervals | _BigWig:
    if path.suffix.lower() in BIGWIG:
        return _BigWig(path, genome)
    return _Intervals(read_intervals(path, genome, settings.value_column))


def read_intervals(path: Path, genome: Genome, column: int | None) -> Steps:
    """Read bedGraph or BED: starts, ends and numbers of intervals by contig, in order.

    Raises
    ------
    InputError
        If a line is malformed, or names no contig; the message names it.
    """
    rows: dict[str, list[tuple[int, int, float]]] = defaultdict(list)
    lines: dict[str, int] = {}
    for number, text in read_lines(path, "bedGraph"):
        if not text.strip() or text.startswith(("#", "track", "browser")):
            continue
        fields = text.rstrip("\r").split("\t") if "\t" in text else text.split()
        try:
            contig, start, end = fields[0], int(fields[1]), int(fields[2])
            value = 1.0 if column is None else float(fields[column - 1])
        except (IndexError, ValueError):
            raise _malformed(path, number, text, column) from None
        if not 0 <= start < end or not np.isfinite(value):
            raise _malformed(path, number, text, column)
        if value < 0:
            raise _negative(path, f"line {number}", value)
        rows[contig].append((start, end, value))
        lines.setdefault(contig, number)
    contigs = resolve_contigs(lines, lines.values(), genome, path)
    steps: Steps = {}
    for name, contig in zip(lines, contigs, strict=True):
        if contig:
            table = np.array(rows[name])
            parts = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2]
            steps[contig] = parts
    return steps


def _before(
    edges: NDArray[np.int64], places: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sum of value * (edge - place) over the places before each edge."""
    order = np.argsort(places, kind="stable")
    places, values = places[order], values[order]
    count = np.searchsorted(places, edges)
    sums = np.concatenate([[0], np.cumsum(values)])
    moments = np.concatenate([[0], np.cumsum(values * places)])
    return np.asarray(edges * sums[count] - moments[count])


def _open_bigwig(path: Path) -> Any:
    try:
        import pyBigWig
    except ImportError as error:
        raise InputError(
            "bigWig files are read by the package pyBigWig, which is not installed",
            path=path,
            remedy="run `pip install 'dnalm[tracks]'`, or give the track as bedGraph",
        ) from error
    try:
        return pyBigWig.open(str(path))
    except RuntimeError as error:
        raise InputError(
            f"cannot be read as a bigWig file ({error})", path=path, remedy="fetch the file again"
        ) from error


def _malformed(path: Path, number: int, text: str, column: int | None) -> InputError:
    value = "" if column is None else f", and a finite number in column {column}"
    return InputError(
        f"cannot read {text[:80]!r}",
        path=path,
        where=f"line {number}",
        expected=f"contig, start and a larger end{value}",
        remedy="correct the line, or set `value_column` of the task",
    )


def _negative(path: Path, where: str, value: float) -> InputError:
    return InputError(
        f"the number {value:g} is below 0",
        path=path,
        where=where,
        expected="counts or coverage of at least 0",
        remedy="give the track before it was made a logarithm or a difference",
    )
