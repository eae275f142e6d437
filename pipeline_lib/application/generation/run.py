"""Sequences written in batches that are kept, and the FASTA file of all of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.application.generation.prompts import read_numbers, read_prompts
from pipeline_lib.application.generation.summary import summarize
from pipeline_lib.application.generation.writer import Writer
from pipeline_lib.application.identity import code_identity, file_identity, model_identity
from pipeline_lib.application.parts import Arrays, parts_of
from pipeline_lib.config.application_generation import GenerationEntry
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path, write_json
from pipeline_lib.genome.reader import FILES
from pipeline_lib.models.causal import CausalLanguageModel
from pipeline_lib.models.sampling import Sampling
from pipeline_lib.pretraining.next_token import ASK_NUMBER
from pipeline_lib.progress import progress
from pipeline_lib.randomness import named_generator

LINE = 60
SHOWN = 40
"""Longest prompt that a header holds; of longer ones it gives the first bases."""
_PROBES = 64
"""Random sequences on which a head for numbers is tried."""
_LEAST, _MOST = 0.5, 0.1  # its least r, and its largest mean error


@dataclass(frozen=True, slots=True)
class Wanted:
    """One sequence to write.

    Attributes
    ----------
    number
        Of all, from 0 on: its random stream is named after it.
    name, prompt
        Of what it begins with.
    begun
        Tokens of the prompt.
    """

    number: int
    name: str
    prompt: str
    begun: list[int]


def generate_sequences(
    folder: Path, output: Path, settings: GenerationEntry, *, seed: int,
    compare: Path | None = None, device: str = "cpu",
) -> dict[str, Any]:  # fmt: skip
    """Write new sequences as FASTA, and a summary beside it as ``OUTPUT.json``.

    Parameters
    ----------
    folder
        Model folder: a DNAGPT or a HyenaDNA of the next token.
    output
        FASTA file; its headers hold the prompt, the settings and the seed.
    settings
        What to write. ``batch_size`` changes nothing about it.
    compare
        FASTA of what the model was trained on, or a prepared genome, for the summary.

    Returns
    -------
    dict
        The summary.

    Raises
    ------
    InputError
        If the model cannot write, a prompt is no DNA, or the sequences do not fit its context.
    """
    prompts = read_prompts(settings.prompt, Path(settings.prompts) if settings.prompts else None)
    target = read_numbers(settings.numbers)
    writer = Writer.load(folder, device)
    sampling = Sampling(settings.temperature, settings.top_k, settings.top_p, writer.allowed)
    wanted = _wanted(writer, prompts, settings.count)
    longest = max(len(one.begun) for one in wanted)
    writer.check_room(longest, settings.length, 2 if target is not None else 0)
    if target is not None:
        _check_head(writer, folder, settings, seed)
    identity = {
        "model": model_identity(folder), "code": code_identity(), "seed": seed, "device": device,
        "settings": settings.model_dump(mode="json", exclude={"prompts"}), "prompts": prompts,
    }  # fmt: skip
    with parts_of(output, identity) as parts:
        found: dict[int, str] = {}
        batches = _batches(wanted, settings.batch_size)
        for number, batch in enumerate(progress(batches, "writing", unit=" batches")):
            part = parts.get(
                number,
                lambda: _write(writer, batch, settings, sampling, seed, target),  # noqa: B023
            )
            letters = part["letters"].tolist()
            found |= {one.number: text for one, text in zip(batch, letters, strict=True)}
        new = [found[one.number] for one in wanted]
        summary = summarize(new, compare, seed=seed)
        if compare is not None:
            genome = compare / FILES[0] if compare.is_dir() else compare
            summary["compared_with"] = file_identity(genome)
        _write_fasta(output, wanted, new, settings, seed)
        write_json(output.with_name(f"{output.name}.json"), summary)
    return summary


def _wanted(writer: Writer, prompts: dict[str, str], count: int) -> list[Wanted]:
    found: list[Wanted] = []
    for name, prompt in prompts.items():
        begun = writer.begin(prompt.encode())
        found += [Wanted(len(found) + i, name, prompt, begun) for i in range(count)]
    return found


def _batches(wanted: list[Wanted], size: int) -> list[list[Wanted]]:
    """Return sequences whose prompts have as many tokens, at most ``size`` together."""
    lengths: dict[int, list[Wanted]] = {}
    for one in wanted:
        lengths.setdefault(len(one.begun), []).append(one)
    return [
        group[at : at + size]
        for _, group in sorted(lengths.items())
        for at in range(0, len(group), size)
    ]


def _write(
    writer: Writer, batch: list[Wanted], settings: GenerationEntry, sampling: Sampling, seed: int,
    target: float | None,
) -> Arrays:  # fmt: skip
    def attempt(candidate: int) -> list[list[int]]:
        streams = [named_generator(seed, "generation", one.number, candidate) for one in batch]
        return writer.write([one.begun for one in batch], streams, settings.length, sampling)

    if target is None:
        chosen = attempt(0)
    else:
        tried = [attempt(candidate) for candidate in range(settings.candidates)]
        begun = [one.begun for one in batch]
        apart = np.abs(np.stack([_said(writer, begun, tokens) for tokens in tried]) - target)
        chosen = [tried[best][row] for row, best in enumerate(apart.argmin(axis=0).tolist())]
    letters = [writer.letters(tokens)[: settings.length] for tokens in chosen]
    return {"letters": np.array(letters)}


def _said(writer: Writer, begun: list[list[int]], written: list[list[int]]) -> NDArray[np.float64]:
    """Return the model's own opinion of each sequence, those of one length together."""
    found = np.empty(len(written))
    lengths = np.array([len(one) + len(more) for one, more in zip(begun, written, strict=True)])
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length).tolist()
        found[rows] = writer.numbers([begun[row] for row in rows], [written[row] for row in rows])
    return found


def _check_head(writer: Writer, folder: Path, settings: GenerationEntry, seed: int) -> None:
    """Refuse numbers where the model cannot tell them: tried on random bases of known GC.

    Raises
    ------
    InputError
        If it has no head for numbers, or one that was not trained.
    """
    remedy = "leave `--number` out, or train a DNAGPT with `number_tasks`"
    network, vocabulary = writer.network, writer.encoder.vocabulary
    has = isinstance(network, CausalLanguageModel) and network.regression is not None
    if not has or ASK_NUMBER not in vocabulary.words:
        raise InputError("the model has no head for numbers", path=folder, remedy=remedy)
    generator = named_generator(seed, "generation", "numbers")
    count = max(settings.length, 1)
    shares = generator.uniform(0.2, 0.6, _PROBES)
    lines, truth = [], []
    for share in shares.tolist():
        chances = [(1 - share) / 2, share / 2, share / 2, (1 - share) / 2]
        letters = "".join(generator.choice(list("ACGT"), count, p=chances))
        lines.append(writer.begin(letters.encode()))
        truth.append((letters.count("G") + letters.count("C")) / count)
    said = _said(writer, lines, [[] for _ in lines])
    r = float(np.corrcoef(said, truth)[0, 1]) if said.std() > 0 else 0.0
    error = float(np.abs(said - truth).mean())
    if r < _LEAST or error > _MOST:
        raise InputError(
            f"the model does not know what share of bases is G or C (r {r:.2f} and an error of "
            f"{error:.2f} on random bases)",
            path=folder,
            expected=f"r of {_LEAST} or more, and an error of {_MOST} or less",
            remedy=remedy,
        )


def _write_fasta(
    output: Path, wanted: list[Wanted], new: list[str], settings: GenerationEntry, seed: int
) -> None:
    said = {
        "length": settings.length, "seed": seed, "temperature": f"{settings.temperature:g}",
        "top_k": settings.top_k or "all", "top_p": f"{settings.top_p:g}",
        **{name: f"{value:g}" for name, value in settings.numbers.items()},
    }  # fmt: skip
    about = " ".join(f"{key}={value}" for key, value in said.items())
    with atomic_path(output) as temporary, temporary.open("w") as handle:
        for one, letters in zip(wanted, new, strict=True):
            shown = one.prompt[:SHOWN] + ("..." if len(one.prompt) > SHOWN else "")
            handle.write(
                f">generated_{one.number + 1} prompt={one.name} prompt_bases={len(one.prompt)} "
                f"prompt_sequence={shown or '-'} {about}\n"
            )
            text = one.prompt + letters
            handle.writelines(text[at : at + LINE] + "\n" for at in range(0, len(text), LINE))
