"""``dnalm annotate``: a tuned model run along contigs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline_lib.cli.choices import Format, Strands

_SHOWN = 20


def annotate(
    genome: Annotated[Path, typer.Option(help="FASTA, or results/genome/ASSEMBLY.")],
    model: Annotated[Path, typer.Option(help="Folder of a tuned model.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder for tracks and calls.")
    ],
    contigs: Annotated[
        str, typer.Option(help="Names with commas between them; default: all.")
    ] = "",
    bed: Annotated[Path | None, typer.Option(help="Regions to annotate.")] = None,
    window: Annotated[
        int | None,
        typer.Option(help="Bases that the model reads; default: as in training, if known."),
    ] = None,
    focus: Annotated[
        int | None,
        typer.Option(help="The base of a window, from 0, that it is about; default: as in "
                     "training, or the middle. For models of whole sequences."),
    ] = None,
    step: Annotated[
        int, typer.Option(help="Bases from one window to the next. For models of whole sequences.")
    ] = 1,
    edge: Annotated[
        float,
        typer.Option(help="Share of a window's bins at either end that another window speaks of. "
                     "For models of bases and tracks."),
    ] = 0.25,
    strands: Annotated[
        Strands, typer.Option(help="The forward one; a track of each; or the mean of both.")
    ] = Strands.forward,
    only: Annotated[
        str,
        typer.Option(help="Letters that must stand at the focus, such as ATG: other places get no "
                     "value."),
    ] = "",
    outputs: Annotated[
        str, typer.Option(help="Classes or tracks to write, with commas between them.")
    ] = "",
    threshold: Annotated[
        float | None, typer.Option(help="Of calls; default: 0.5 of probabilities.")
    ] = None,
    merge: Annotated[int, typer.Option(help="Calls so many bases apart become one.")] = 0,
    kind: Annotated[
        Format, typer.Option("--format", help="`bedgraph` is compressed, and needs no pyBigWig.")
    ] = Format.bigwig,
) -> None:  # fmt: skip
    """Run a tuned model along contigs: a bigWig file for each class, and a BED file of calls.

    Windows overlap, and their edges are not used. Gaps get no value. Goes on where it was if it
    was interrupted.

    Example: dnalm annotate --genome genome.fa --contigs I,II --strands each --only ATG
    --model results/finetuning/MODEL/TASK/RUN/model -o starts
    """
    from pipeline_lib.application.annotation.annotate import HowToAnnotate
    from pipeline_lib.application.annotation.annotate import annotate as run

    values: dict[str, Any] = {
        "window": window,
        "focus": focus,
        "step": step,
        "edge": edge,
        "strands": strands.value,
        "only": only,
        "outputs": _listed(outputs),
        "threshold": threshold,
        "merge": merge,
        "format": kind.value,
    }
    about = run(genome, model, output, HowToAnnotate(**values), contigs=_listed(contigs), bed=bed)
    bases = sum(about["bases_with_values"].values())
    typer.echo(f"wrote {output}: {len(about['files'])} tracks, values of {bases:,} bases")
    calls = sorted((about["calls"] or {}).items(), key=lambda item: -item[1])
    for name, count in calls[:_SHOWN]:
        typer.echo(f"{count:>8,} calls of {name}")
    if len(calls) > _SHOWN:
        rest = sum(count for _, count in calls[_SHOWN:])
        typer.echo(f"{rest:>8,} calls of {len(calls) - _SHOWN:,} others")


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
