"""``dnalm annotate``: a tuned model run along contigs, as tracks and calls."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from pipeline_lib.application.annotation.calls import CallsFile
from pipeline_lib.application.annotation.places import Regions, regions_of
from pipeline_lib.application.annotation.plan import Plan, stretches
from pipeline_lib.application.annotation.shape import EDGE, shape_of
from pipeline_lib.application.annotation.tracks import Strands, Track, Tracker, Values
from pipeline_lib.application.annotation.writers import (
    check_format,
    file_names,
    open_tracks,
    write_values,
)
from pipeline_lib.application.fasta import Sequences, open_genome
from pipeline_lib.application.identity import (
    code_identity,
    file_identity,
    genome_file,
    model_identity,
)
from pipeline_lib.application.parts import Parts, parts_of
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_directory, write_json
from pipeline_lib.finetuning.scorer import Scorer, load_tuned
from pipeline_lib.finetuning.training import preferred_device
from pipeline_lib.progress import progress_bar

CALLS, ABOUT = "calls.bed", "annotation.json"


@dataclass(frozen=True)
class HowToAnnotate:
    """What decides about tracks and calls besides the model.

    Attributes
    ----------
    window, focus, step, edge
        See :func:`pipeline_lib.application.annotation.shape.shape_of`.
    strands, only
        See :class:`pipeline_lib.application.annotation.tracks.Tracker`.
    outputs
        Classes, labels or tracks to write; none: all of them. Of two classes of sequences the
        first is 1 minus the second, and is not written unless it is asked for.
    threshold
        Of calls; None: 0.5 for probabilities, and no calls of numbers.
    merge
        Calls that are no more bases apart become one.
    format
        ``bigwig`` or ``bedgraph``.
    """

    window: int | None = None
    focus: int | None = None
    step: int = 1
    edge: float = EDGE
    strands: Strands = "forward"
    only: str = ""
    outputs: tuple[str, ...] = ()
    threshold: float | None = None
    merge: int = 0
    format: Literal["bigwig", "bedgraph"] = "bigwig"


class _Piece(NamedTuple):
    """Neighbouring windows of a stretch, which are scored together."""

    contig: str
    plan: Plan
    first: int
    last: int


def annotate(
    genome: Path,
    model: Path,
    output: Path,
    how: HowToAnnotate | None = None,
    *,
    contigs: Sequence[str] = (),
    bed: Path | None = None,
) -> dict[str, Any]:
    """Run a tuned model along contigs, and write what it says as tracks and calls.

    Parameters
    ----------
    genome
        FASTA file, or folder of a prepared genome.
    model
        Folder of a tuned model.
    output
        Folder: a bigWig file for each class and strand; ``calls.bed``, sorted, with class, score
        (1000 times the largest probability), strand and the largest value; ``annotation.json``.
    how
        Windows, strands, threshold and so on.
    contigs
        Which to annotate, by any of their names; none for all.
    bed
        Regions: values are given inside of them alone, and are those of the whole contig.

    Returns
    -------
    dict
        What is in ``annotation.json``.

    Raises
    ------
    InputError
        If an input cannot be used, or no window of the model fits anywhere.
    """
    how = how or HowToAnnotate()
    check_format(how.format)
    _check_folder(output)
    source = open_genome(genome)
    regions = regions_of(source, contigs, bed)
    scorer = load_tuned(model)
    tracker = _tracker(scorer, how, model)
    columns = _columns(tracker.tracks, scorer, how.outputs)
    pieces = list(_pieces(source, regions, tracker))
    if not pieces:
        raise _no_room(genome, tracker)
    about: dict[str, Any] = {
        "settings": asdict(how) | asdict(tracker.shape),
        "model": model_identity(model),
        "genome": file_identity(genome_file(genome)),
        "regions": {contig: [list(span) for span in spans] for contig, spans in regions.items()},
    }
    more = {"code": code_identity(), "device": preferred_device().type, "at_once": tracker.at_once}
    with parts_of(output, about | more) as parts, atomic_directory(output) as folder:
        counts = _write(folder, source, pieces, tracker, columns, parts, regions, how)
        about["regions"] = {contig: len(spans) for contig, spans in regions.items()}
        files = file_names([tracker.tracks[column] for column in columns], how.format)
        about |= {"files": files, **counts}
        write_json(folder / ABOUT, about)
    return about


def _check_folder(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise InputError(
            "is a file", path=output, expected="a folder to write", remedy="choose another name"
        )


def _no_room(genome: Path, tracker: Tracker) -> InputError:
    return InputError(
        f"no stretch without gaps has the {tracker.shape.window:,} bases that the model reads",
        path=genome,
        remedy="give longer contigs or regions, or a smaller `--window`",
    )


def _tracker(scorer: Scorer, how: HowToAnnotate, model: Path) -> Tracker:
    if set(how.only.upper()) - set("ACGT") or (how.only and scorer.target.dense):
        raise InputError(
            f"`--only` is {how.only!r}",
            expected="letters A, C, G and T, for a model of whole sequences",
            remedy="correct `--only`, or leave it out",
        )
    shape = shape_of(
        scorer, window=how.window, focus=how.focus, step=how.step, edge=how.edge, model=model
    )
    return Tracker(scorer, shape, how.strands, how.only)


def _columns(tracks: Sequence[Track], scorer: Scorer, chosen: Sequence[str]) -> list[int]:
    """Return which columns of values are written."""
    names = scorer.target.names
    if unknown := [name for name in chosen if name not in names]:
        raise InputError(
            f"the model has no output {unknown[0]!r}",
            expected=f"some of {', '.join(names[:20])}",
            remedy="correct `--outputs`",
        )
    two = scorer.target.kind == "class" and len(names) == 2
    wanted = set(chosen or (names[1:] if two else names))
    return [number for number, track in enumerate(tracks) if track.name in wanted]


def _pieces(source: Sequences, regions: Regions, tracker: Tracker) -> Iterator[_Piece]:
    """Yield what is scored at a time: windows side by side that speak of some region."""
    most = tracker.at_once
    for contig, spans in regions.items():
        length = source.contigs[contig]
        for low, high in stretches(partial(source.fetch, contig), length):
            plan = tracker.plan(low, high)
            for first, last in _wanted(plan, spans):
                # Cut where a run along the whole contig is cut.
                edges = [first, *range((first // most + 1) * most, last, most), last]
                for begin, end in pairwise(edges):
                    yield _Piece(contig, plan, begin, end)


def _wanted(plan: Plan, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the runs of windows, first and after last, that speak of some span."""
    found: list[tuple[int, int]] = []
    for start, stop in spans:
        if start >= plan.high or stop <= plan.low:
            continue
        first, last = plan.touching(max(start, plan.low), min(stop, plan.high))
        if first < last and found and first <= found[-1][1]:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        elif first < last:
            found.append((first, last))
    return found


def _write(
    folder: Path,
    source: Sequences,
    pieces: Sequence[_Piece],
    tracker: Tracker,
    columns: Sequence[int],
    parts: Parts,
    regions: Regions,
    how: HowToAnnotate,
) -> dict[str, Any]:
    """Compute what is not there yet, and write it; return counts."""
    kept = [tracker.tracks[column] for column in columns]
    files = open_tracks(folder, kept, how.format, source.contigs)
    calls = CallsFile(folder / CALLS, kept, tracker.scorer.target, how.threshold, how.merge)
    valued = dict.fromkeys(regions, 0)
    total = sum(piece.last - piece.first for piece in pieces)
    contig = ""
    with progress_bar("annotation", total=total, unit="window") as bar:
        for number, piece in enumerate(pieces):
            if piece.contig != contig:
                calls.next_contig(contig, source.contigs.get(contig, 0))
                contig = piece.contig
            found = parts.get(number, partial(_score, source, piece, tracker, columns))["values"]
            first = piece.plan.bins(piece.first, piece.last)[0] * tracker.shape.size
            _only_inside(found, first, tracker.shape.size, regions[contig])
            write_values(files, contig, first, tracker.shape.size, found)
            calls.add(contig, first, tracker.shape.size, found, source.contigs[contig])
            valued[contig] += int((~np.isnan(found)).any(axis=1).sum()) * tracker.shape.size
            bar.update(piece.last - piece.first)
    calls.next_contig(contig, source.contigs[contig])
    calls.close()
    for file in files:
        file.close()
    return {"bases_with_values": valued, "calls": calls.count}


def _score(
    source: Sequences, piece: _Piece, tracker: Tracker, columns: Sequence[int]
) -> dict[str, Values]:
    read = partial(source.fetch, piece.contig)
    values = tracker.values(read, piece.plan, piece.first, piece.last)
    return {"values": np.ascontiguousarray(values[:, columns])}


def _only_inside(values: Values, first: int, size: int, spans: Sequence[tuple[int, int]]) -> None:
    """Forget the values of bins that no region touches."""
    inside = np.zeros(len(values), dtype=bool)
    for start, stop in spans:
        low, high = (start - first) // size, -((first - stop) // size)
        inside[max(low, 0) : max(high, 0)] = True
    values[~inside] = np.nan
