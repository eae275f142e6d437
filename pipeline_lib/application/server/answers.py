"""Questions and answers as plain values: what the page asks for, whoever carries it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline_lib.application.fasta import Sequences
from pipeline_lib.application.server.limits import Limits
from pipeline_lib.application.server.load import Served
from pipeline_lib.application.server.readers import LanguageTracks, TunedTracks
from pipeline_lib.application.server.sequences import BadInput, Named, read_region, read_sequence
from pipeline_lib.application.server.tracks import BASES, Array, change_of, tracks_along

Check = Callable[[], None]
Label = Annotated[str, Field(max_length=300)]
MOST_READ = 64
"""Windows that are read of each of four bases: this is asked with every click."""
DIGITS = 5
"""Significant digits of a number that is sent."""


class Asked(BaseModel):
    """A question about a sequence, or about a region of the genome."""

    model_config = ConfigDict(strict=True, extra="forbid")

    sequence: str | None = None
    region: Label | None = None
    models: list[Label] | None = Field(None, max_length=64)
    outputs: dict[Label, list[Label]] | None = Field(None, max_length=64)


class AskedPlace(Asked):
    """A question about a base of a sequence; the first is 1."""

    position: int = Field(ge=1)


class AskedMutation(AskedPlace):
    """A question about another base."""

    base: Literal["A", "C", "G", "T"]


class Answers:
    """Answers questions; see :mod:`pipeline_lib.application.server.tracks`.

    Parameters
    ----------
    models
        By name.
    genome
        For regions, if there is one.
    limits
        Of the server.
    """

    def __init__(
        self, models: Mapping[str, Served], genome: Sequences | None, limits: Limits
    ) -> None:
        self._models, self._genome, self._limits = models, genome, limits

    def about(self) -> dict[str, Any]:
        """Return models, genome and limits."""
        genome = None
        if self._genome is not None:
            contigs = dict(list(self._genome.contigs.items())[:50])
            genome = {"contigs": contigs, "count": len(self._genome.contigs)}
        models = [{"name": model.name, **model.about} for model in self._models.values()]
        return {"models": models, "genome": genome, "limits": {"bases": self._limits.bases}}

    def tracks(self, asked: Asked, check: Check) -> dict[str, Any]:
        """Return the tracks of models along a sequence.

        Raises
        ------
        BadInput
            If the question makes no sense.
        """
        named = self._sequence(asked)
        chosen = self._chosen(asked, len(named.bases))
        models = []
        for model, columns in chosen:
            plan, values = tracks_along(model.tracks, named.bases, check)
            tracks = [
                {"output": model.tracks.outputs[column], "values": plain(values[:, column])}
                for column in columns
            ]
            models.append(
                {"name": model.name, "offset": plan.offset, "step": plan.step, "tracks": tracks}
            )
        return {
            "name": named.name,
            "start": named.start,
            "sequence": named.bases.decode(),
            "models": models,
        }

    def mutate(self, asked: AskedMutation, check: Check) -> dict[str, Any]:
        """Return what another base at a place changes.

        Raises
        ------
        BadInput
            If the question makes no sense.
        """
        named, place, own = self._place(asked)
        models = []
        for model, columns in self._chosen(asked, len(named.bases)):
            plan = model.tracks.plan(len(named.bases))
            found = change_of(model.tracks, named.bases, place, [asked.base], check)
            after = found.after[asked.base]
            tracks = [
                {
                    "output": model.tracks.outputs[column],
                    "before": plain(found.before[:, column]),
                    "after": plain(after[:, column]),
                    **_largest(found.before[:, column], after[:, column], found.first),
                }
                for column in columns
            ]
            entry = {"name": model.name, "offset": plan.offset, "step": plan.step}
            models.append({**entry, "first": found.first, "tracks": tracks})
        return {"position": asked.position, "from": own, "to": asked.base, "models": models}

    def substitutions(self, asked: AskedPlace, check: Check) -> dict[str, Any]:
        """Return how each of the four bases would do at a place.

        Raises
        ------
        BadInput
            If the question makes no sense.
        """
        named, place, own = self._place(asked)
        models = []
        for model, columns in self._chosen(asked, len(named.bases)):
            check()
            if isinstance(model.tracks, LanguageTracks):
                of, scores = "log2 likelihood ratio", model.tracks.ratios(named.bases, place)
            else:
                of, scores = _changes(model, columns[0], named.bases, place, check)
            numbers = {base: _rounded(scores[base]) for base in BASES if base in scores}
            models.append({"name": model.name, "of": of, "scores": numbers})
        return {"position": asked.position, "from": own, "models": models}

    def _sequence(self, asked: Asked) -> Named:
        if (asked.sequence is None) == (asked.region is None):
            raise BadInput("Give either a sequence or a region.")
        if asked.sequence is not None:
            return read_sequence(asked.sequence, self._limits.bases)
        return read_region(asked.region or "", self._genome, self._limits.bases)

    def _place(self, asked: AskedPlace) -> tuple[Named, int, str]:
        named = self._sequence(asked)
        if asked.position > len(named.bases):
            raise BadInput(
                f"There is no base {asked.position:,}; the sequence has {len(named.bases):,}."
            )
        place = asked.position - 1
        return named, place, chr(named.bases[place])

    def _chosen(self, asked: Asked, length: int) -> list[tuple[Served, list[int]]]:
        """Return the models that are asked for, and which of their tracks."""
        names = list(dict.fromkeys(self._models if asked.models is None else asked.models))
        outputs = asked.outputs or {}
        for name in [*names, *outputs]:
            if name not in self._models:
                raise BadInput(
                    f"There is no model {ascii(name)[1:-1]}; there are {', '.join(self._models)}."
                )
        chosen, count = [], 0
        for name in names:
            model = self._models[name]
            wanted = outputs.get(name) or model.about["shown"]
            columns = _columns(model, list(dict.fromkeys(wanted)))
            count += model.tracks.plan(length).count * len(columns)
            chosen.append((model, columns))
        if count > self._limits.values:
            raise BadInput(
                f"These would be {count:,} numbers, at most {self._limits.values:,} are given at "
                "a time; ask for fewer tracks, or a shorter sequence."
            )
        return chosen


def _changes(
    model: Served, column: int, sequence: bytes, place: int, check: Check
) -> tuple[str, dict[str, float]]:
    """Return what is measured of the four bases at a place, and how it is for each of them."""
    own, tracks = chr(sequence[place]), model.tracks
    windows = len(tracks.plan(len(sequence)).holding(place))
    only = isinstance(tracks, TunedTracks) and tracks.only  # then few of them are read
    every = 1 if only else max(-(-windows // MOST_READ), 1)
    others = [base for base in BASES if base != own]
    found = change_of(tracks, sequence, place, others, check, every)
    before, scores = found.before[:, column], {own: 0.0} if own in BASES else {}
    for base in others:
        largest = _largest(before, found.after[base][:, column], 0)["change"]
        if largest is not None:
            scores[base] = largest
    among = f", among every {every} windows" if every > 1 else ""
    return f"largest change of {tracks.outputs[column]}{among}", scores


def _columns(model: Served, names: Sequence[str]) -> list[int]:
    known = {name: column for column, name in enumerate(model.tracks.outputs)}
    for name in names:
        if name not in known:
            raise BadInput(f"{model.name} has no track {ascii(name)[1:-1]}.")
    return [known[name] for name in names]


def _largest(before: Array, after: Array, first: int) -> dict[str, Any]:
    """Return the change that is largest in size, and the number of the value that changes."""
    changes = after - before
    if not np.isfinite(changes).any():
        return {"change": None, "at": None}
    at = int(np.nanargmax(np.abs(changes)))
    return {"change": _rounded(float(changes[at])), "at": first + at}


def plain(values: Array) -> list[float | None]:
    """Return numbers with a few digits, as JSON has them; None where there is none."""
    return [_rounded(value) if np.isfinite(value) else None for value in values.tolist()]


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
