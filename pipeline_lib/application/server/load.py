"""Models that are served: how they are named, opened and described."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pipeline_lib.application.annotation.shape import shape_of
from pipeline_lib.application.identity import model_identity
from pipeline_lib.application.server.readers import LanguageTracks, TunedTracks
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.zero.model import ModelReader
from pipeline_lib.finetuning.scorer import HEAD, Scorer, load_tuned
from pipeline_lib.pretraining.folder import load_language_model
from pipeline_lib.randomness import named_generator
from pipeline_lib.tokenizer.encode import (
    SentenceEncoder,
    encode_sequence,
    load_tokenizer,
    overlap_of,
)

MOST_REACH = 4096
"""Bases that a language model reads at once: a click must not take minutes."""
USUAL_WINDOW = 512
"""Bases of a window, at most, where nothing is known of those that a model was tuned with."""
ROUNDS = 8
SEED = 1
PROBE = 4000
SHOWN = 4
"""Tracks of a model that are shown unless others are asked for."""


class Geometry(NamedTuple):
    """How a tuned model is laid along a sequence.

    Attributes
    ----------
    window
        Bases that it reads; 0: as in training.
    focus
        The one that a score is about; -1: its middle.
    only
        Letters that must stand there.
    """

    window: int = 0
    focus: int = -1
    only: str = ""


@dataclass(frozen=True)
class Served:
    """A model of the page.

    Attributes
    ----------
    name
        As it is asked for.
    tracks
        The model.
    about
        What the page says of it.
    """

    name: str
    tracks: LanguageTracks | TunedTracks
    about: Mapping[str, Any]


def open_models(
    models: Sequence[str], geometry: Mapping[str, Geometry], most_windows: int
) -> dict[str, Served]:
    """Return models by name.

    Parameters
    ----------
    models
        Model folders, each as ``FOLDER`` or ``NAME=FOLDER``.
    geometry
        How tuned models are laid along sequences, by name, where that is not as in training.
    most_windows
        Windows of a sequence at most.

    Raises
    ------
    InputError
        If a folder holds no model, or one that needs more than a sequence.
    """
    folders: dict[str, Path] = {}
    for text in models:
        stated, separator, rest = text.partition("=")
        folder = Path(rest if separator else text)
        folders[_unused(stated if separator else short_name(folder), folders)] = folder
    if unknown := [name for name in geometry if name not in folders]:
        raise InputError(
            f"there is no model {unknown[0]!r} to have a window",
            expected=f"one of {', '.join(folders)}",
            remedy="give `--window` and `--only` the name of a model",
        )
    return {
        name: open_model(name, folder, geometry.get(name, Geometry()), most_windows)
        for name, folder in folders.items()
    }


def open_model(name: str, folder: Path, geometry: Geometry, most_windows: int) -> Served:
    """Return a model; see :func:`open_models`."""
    model_identity(folder)  # says what is missing
    if (folder / HEAD).exists():
        return _tuned(name, folder, geometry, most_windows)
    network, architecture = load_language_model(folder)
    encoder = SentenceEncoder(folder / "tokenizer.json")
    reader = ModelReader(network, encoder, architecture.input_length, ROUNDS, SEED)
    tracks = LanguageTracks(reader, min(reader.reach, MOST_REACH))
    kind = "likelihood" if network.causal else "pseudo-likelihood"
    sides = "the bases before it" if network.causal else "the bases on both sides"
    about = {
        "kind": "language",
        "outputs": ["bits"],
        "shown": ["bits"],
        "range": None,
        "unit": "bits per base",
        "window": tracks.reach,
        "says": f"Surprise of every base, given {sides} (-log2 of its {kind}): 0 is certain, 2 is "
        "a guess among four. Low is predictable, which is not the same as functional.",
    }
    return Served(name, tracks, about)


def short_name(folder: Path) -> str:
    """Return a name for a model folder: what tells it apart among the results."""
    parts = folder.resolve().parts
    if parts[-1] == "model":
        parts = parts[:-1]
    for stage in ("finetuning", "pretraining"):
        if stage in parts[:-1]:
            return "/".join(parts[parts.index(stage) + 1 :])
    return parts[-1]


def _unused(name: str, used: Mapping[str, Path]) -> str:
    number, found = 2, name
    while found in used:
        found, number = f"{name}-{number}", number + 1
    return found


def _tuned(name: str, folder: Path, geometry: Geometry, most_windows: int) -> Served:
    scorer = load_tuned(folder)
    focus = geometry.focus if geometry.focus >= 0 else None
    known = scorer.how.window or scorer.target.dense
    assumed = not (geometry.window or known)
    window = _usual_window(scorer) if assumed else geometry.window or None
    shape = shape_of(scorer, window=window, focus=focus, model=folder)
    tracks = TunedTracks(scorer, shape, most_windows, geometry.only.upper())
    target = scorer.target
    numbers = target.kind in ("numbers", "tracks")
    about = {
        "kind": target.kind,
        "outputs": list(target.names),
        "shown": _shown(target.kind, target.names),
        "range": None if numbers else [0, 1],
        "unit": "predicted number" if numbers else "probability",
        "window": shape.window,
        "says": _says(tracks, assumed=assumed),
    }
    return Served(name, tracks, about)


def _shown(kind: str, names: tuple[str, ...]) -> list[str]:
    """Return the tracks to begin with; the first class of several is the background."""
    background = kind in ("class", "bases") and len(names) > 1
    return list(names[1 if background else 0 :][:SHOWN])


def _says(tracks: TunedTracks, *, assumed: bool) -> str:
    target, shape = tracks.scorer.target, tracks.shape
    what = (
        "What it predicts" if target.kind in ("numbers", "tracks") else "The probability it gives"
    )
    if target.dense:
        unit = "every base" if target.bin == 1 else f"every {target.bin:,} bases"
        text = f"{what} for {unit}, in windows of {shape.window:,} bases."
    else:
        where = f"each {tracks.only}" if tracks.only else "each base"
        text = (
            f"{what} for the window of {shape.window:,} bases around {where} (which is its base "
            f"{shape.first + 1:,})."
        )
        if not tracks.only:
            text += (
                " The model was tuned on chosen windows; between them it is asked about sequence "
                "of a kind it may never have seen, and its numbers there mean little."
            )
    if assumed:
        text += " The windows that it was tuned with are not known; this length is a guess."
    return text


def _usual_window(scorer: Scorer) -> int:
    """Return how many bases fit into the context, of random ones; not too many."""
    target = scorer.target
    letters = named_generator(SEED, "serve probe").choice(list("ACGT"), PROBE)
    overlap = overlap_of(scorer.tokenizer)
    ids, _ = encode_sequence(load_tokenizer(scorer.tokenizer), "".join(letters), overlap)
    room = scorer.context_length - 2
    fits = int(room * PROBE / len(ids)) if not overlap else room + overlap - 1
    return max(min(fits, USUAL_WINDOW), target.units * target.bin)
