"""Calls: runs of bins whose value reaches a threshold, in the order of a BED file."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline_lib.application.annotation.tracks import Track, Values
from pipeline_lib.finetuning.examples import Target

PROBABILITIES = ("class", "labels", "bases")
DEFAULT_THRESHOLD = 0.5


class Call(NamedTuple):
    """A run of bins, in the order in which runs are sorted; ``most`` is the largest value."""

    start: int
    end: int
    track: int
    most: float


@dataclass
class Caller:
    """Finds the runs of one contig, fed bin after bin, and holds only what may still grow.

    Attributes
    ----------
    tracks
        Tracks whose runs are called, one for each column of values.
    threshold
        Values from it on are called.
    merge
        Runs that are no more bases apart become one.
    """

    tracks: Sequence[Track]
    threshold: float
    merge: int = 0
    _open: dict[int, Call] = field(default_factory=dict)
    _closed: list[Call] = field(default_factory=list)

    def add(self, first: int, size: int, values: Values) -> Iterator[Call]:
        """Take the values of some bins, and yield the calls that are sure by now.

        Parameters
        ----------
        first
            First base of the first bin; larger than all before.
        size
            Bases of a bin.
        values
            Shape (bins, tracks).
        """
        reached = values >= self.threshold  # not where nothing is known
        for track in np.flatnonzero(reached.any(axis=0)).tolist():
            edges = np.diff(reached[:, track], prepend=False, append=False)
            places = np.flatnonzero(edges).reshape(-1, 2)
            # Every second maximum is one of what lies between runs. A run may end with the values.
            column = np.append(values[:, track], -np.inf)
            most = np.fmax.reduceat(column, places.ravel())[::2]
            for (low, high), value in zip(places.tolist(), most.tolist(), strict=True):
                self._grow(Call(first + low * size, first + high * size, track, value))
        end = first + len(values) * size
        for track, call in list(self._open.items()):
            if call.end + self.merge < end:
                heapq.heappush(self._closed, self._open.pop(track))
        yield from self._before(min((call.start for call in self._open.values()), default=end))

    def finish(self) -> Iterator[Call]:
        """Yield the calls that are left at the end of a contig."""
        for call in self._open.values():
            heapq.heappush(self._closed, call)
        self._open.clear()
        yield from self._before(None)

    def line(self, contig: str, call: Call, length: int) -> str:
        """Return a line of a BED file with six columns, and the largest value as a seventh."""
        track = self.tracks[call.track]
        score = round(1000 * min(max(call.most, 0.0), 1.0))
        columns = (contig, call.start, min(call.end, length), track.name, score, track.strand)
        return "\t".join(map(str, columns)) + f"\t{call.most:.4g}\n"

    def _grow(self, call: Call) -> None:
        known = self._open.get(call.track)
        if known is not None and call.start - known.end <= self.merge:
            call = Call(known.start, call.end, call.track, max(known.most, call.most))
        elif known is not None:
            heapq.heappush(self._closed, known)
        self._open[call.track] = call

    def _before(self, place: int | None) -> Iterator[Call]:
        while self._closed and (place is None or self._closed[0].start < place):
            yield heapq.heappop(self._closed)


class CallsFile:
    """The file of calls, if there is a threshold.

    Parameters
    ----------
    path
        BED file to write.
    tracks
        Of the columns of values.
    target
        What the model predicts.
    threshold
        None: 0.5 of probabilities, and no file for numbers.
    merge
        See :class:`Caller`.
    """

    def __init__(
        self,
        path: Path,
        tracks: Sequence[Track],
        target: Target,
        threshold: float | None,
        merge: int,
    ) -> None:
        if threshold is None and target.kind in PROBABILITIES:
            threshold = DEFAULT_THRESHOLD
        # The first of the classes of bases is what lies between those that are looked for.
        background = target.names[0] if target.kind == "bases" else None
        self._columns = [n for n, track in enumerate(tracks) if track.name != background]
        self.count: dict[str, int] | None = None
        self._file = None
        if threshold is not None:
            self.count = {tracks[n].name: 0 for n in self._columns}
            self._file = path.open("w")
            self._caller = Caller([tracks[n] for n in self._columns], threshold, merge)

    def add(self, contig: str, first: int, size: int, values: Values, length: int) -> None:
        """Take the values of some bins."""
        if self._file is not None:
            found = self._caller.add(first, size, values[:, self._columns])
            self._tell(contig, length, found)

    def next_contig(self, contig: str, length: int) -> None:
        """End a contig."""
        if self._file is not None:
            self._tell(contig, length, self._caller.finish())

    def _tell(self, contig: str, length: int, found: Iterator[Call]) -> None:
        assert self._file is not None and self.count is not None
        for call in found:
            self._file.write(self._caller.line(contig, call, length))
            self.count[self._caller.tracks[call.track].name] += 1

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            self._file.close()
