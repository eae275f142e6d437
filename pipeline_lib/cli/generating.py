"""``dnalm generate``: new sequence."""

from pathlib import Path
from typing import Annotated

import typer


def generate(
    model: Annotated[Path, typer.Option(help="Model folder: DNAGPT, or HyenaDNA.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="FASTA file to write.")],
    count: Annotated[
        int, typer.Option("-n", "--count", help="Sequences, for each prompt.", min=1)
    ] = 100,
    length: Annotated[int, typer.Option(help="Bases to write after the prompt.", min=1)] = 1000,
    prompt: Annotated[str, typer.Option(help="Bases to begin with.")] = "",
    prompts: Annotated[Path | None, typer.Option(help="FASTA of prompts.")] = None,
    temperature: Annotated[
        float, typer.Option(help="Below 1 likelier bases are preferred; 0: the likeliest.")
    ] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Draw from the k likeliest tokens.")] = None,
    top_p: Annotated[
        float, typer.Option(help="Draw from the likeliest tokens that reach this probability.")
    ] = 1.0,
    number: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE the sequences are to have, as gc=0.4; repeatable."),
    ] = None,
    candidates: Annotated[
        int, typer.Option(help="With --number: drawn for each sequence that is kept.")
    ] = 8,
    batch_size: Annotated[
        int, typer.Option(help="Sequences at a time; changes nothing but memory and time.", min=1)
    ] = 32,
    compare: Annotated[
        Path | None, typer.Option(help="Genome the model was trained on, for the summary.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.", min=0)] = 42,
    device: Annotated[str, typer.Option(help="`cpu`, `cuda`, or `auto`.")] = "auto",
) -> None:
    """Write new DNA with a model of the next token.

    In: a model folder and, if you like, prompts. Out: FASTA whose headers hold the prompt, the
    settings and the seed, and OUTPUT.json with GC and k-mers. The same seed gives the same file,
    whatever the batch size, also after a kill.

    Example: dnalm generate --model results/pretraining/yeast-hyena/model -n 10 -o new.fa
    """
    from pipeline_lib.application.generation.run import generate_sequences
    from pipeline_lib.cli.checks import checked_settings, chosen_device
    from pipeline_lib.config.application_generation import GenerationEntry

    settings = checked_settings(
        GenerationEntry,
        count=count, length=length, prompt=prompt, prompts=str(prompts) if prompts else None,
        temperature=temperature, top_k=top_k, top_p=top_p, batch_size=batch_size,
        numbers=_numbers(number or []), candidates=candidates,
    )  # fmt: skip
    summary = generate_sequences(
        model, output, settings, seed=seed, compare=compare, device=chosen_device(device)
    )
    typer.echo(
        f"wrote {output}: {summary['sequences']:,} sequences, {summary['bases']:,} new bases, "
        f"GC {summary['gc']['mean']:.3f}"
    )
    for key, found in summary.items():
        if key.startswith("distance_"):
            typer.echo(
                f"{key.removeprefix('distance_')}: distance from the genome "
                f"{found['generated']:.4f}; of other pieces of it {found['genome']:.4f}, of "
                f"random bases {found['random_bases']:.4f}"
            )


def _numbers(values: list[str]) -> dict[str, float]:
    from pipeline_lib.errors import InputError

    found = {}
    for value in values:
        name, _, text = value.partition("=")
        try:
            found[name] = float(text)
        except ValueError as error:
            raise InputError(
                f"`--number {value}` is not understood",
                expected="NAME=VALUE",
                remedy="write for example `--number gc=0.4`",
            ) from error
    return found
