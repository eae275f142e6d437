"""``dnalm serve``: a local page that shows what models see in a sequence."""

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline_lib.errors import InputError

if TYPE_CHECKING:
    from pipeline_lib.application.server.load import Geometry

NEEDED = ("fastapi", "uvicorn")


def serve(
    model: Annotated[
        list[str],
        typer.Option(
            help="Model folder, tuned or pretrained, as FOLDER or NAME=FOLDER; give it again for "
            "each model."
        ),
    ],
    genome: Annotated[
        Path | None,
        typer.Option(help="FASTA (plain or bgzip) or prepared genome, to ask for regions of."),
    ] = None,
    port: Annotated[int, typer.Option(help="Port; 0: any that is free.", min=0, max=65535)] = 8765,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    expose: Annotated[
        bool,
        typer.Option("--expose", help="Allow a --host that other machines reach. No password!"),
    ] = False,
    window: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=LENGTH or NAME=LENGTH:FOCUS: bases of the windows that a model was tuned "
            "with, and the one (from 0 on) they are about; known by itself for models of the "
            "workflow."
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=LETTERS: score only windows that are about these letters, for example "
            "tis=ATG for a model of start codons."
        ),
    ] = None,
    max_length: Annotated[
        int, typer.Option(help="Bases of a sequence, at most.", min=100, max=100_000)
    ] = 10_000,
    max_windows: Annotated[
        int,
        typer.Option(
            help="Windows of a sequence, at most, for models that score windows; of a longer "
            "sequence every second, third ... is read.",
            min=16,
            max=20_000,
        ),
    ] = 1024,
    time_limit: Annotated[
        float, typer.Option(help="Seconds for a request, waiting included.", min=1, max=3600)
    ] = 60,
    threads: Annotated[int | None, typer.Option(help="CPU threads.", min=1)] = None,
) -> None:
    """Serve a page: paste a sequence, see tracks of models, click a base to mutate it.

    In: models, and a genome if regions are to be asked for. Out: a page on this machine alone;
    it downloads tracks as bedGraph or TSV and the mutated sequence as FASTA. Nothing is stored.

    Example: dnalm serve --model results/finetuning/yeast-mini/tis/pretrained-1/model
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed",
            remedy="run `pip install 'dnalm[serve]'`, or `pip install fastapi uvicorn`",
        )
    os.environ["TQDM_DISABLE"] = "1"  # before it is imported: no bars beside the log

    import torch

    from pipeline_lib.application.server.limits import Limits
    from pipeline_lib.application.server.load import Geometry
    from pipeline_lib.application.server.run import Address, serve

    if threads:
        torch.set_num_threads(threads)
    laid = dict(_geometry(text) for text in window or [])
    for name, letters in map(_only, only or []):
        laid[name] = laid.get(name, Geometry())._replace(only=letters)
    limits = Limits.of(max_length, max_windows, time_limit)
    serve(model, genome, Address(host, port, expose), limits, laid, typer.echo)


def _geometry(text: str) -> "tuple[str, Geometry]":
    from pipeline_lib.application.server.load import Geometry

    name, _, numbers = text.rpartition("=")
    length, _, focus = numbers.partition(":")
    if not name or not length.isdecimal() or not (focus or "0").isdecimal():
        raise InputError(
            f"`--window {text}` is not understood",
            expected="NAME=LENGTH or NAME=LENGTH:FOCUS, for example tis=93:45",
            remedy="name a model and give the bases of its windows",
        )
    found = Geometry(int(length), int(focus) if focus else -1)
    if not found.focus < found.window:
        raise InputError(
            f"`--window {text}`: base {found.focus} does not lie in a window of {found.window}",
            expected="a base counted from 0 on",
            remedy="give a smaller FOCUS",
        )
    return name, found


def _only(text: str) -> tuple[str, str]:
    name, _, letters = text.rpartition("=")
    if not name or not letters or set(letters.upper()) - set("ACGT"):
        raise InputError(
            f"`--only {text}` is not understood",
            expected="NAME=LETTERS, for example tis=ATG",
            remedy="name a model and give letters of A, C, G and T",
        )
    return name, letters
