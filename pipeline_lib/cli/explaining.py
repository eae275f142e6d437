"""``dnalm explain``: what decides about an output of a model."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Method(StrEnum):
    """Ways to explain."""

    mutagenesis = "mutagenesis"
    gradients = "gradients"
    dependencies = "dependencies"


class Baseline(StrEnum):
    """Where the path of integrated gradients begins."""

    uniform = "uniform"
    shuffled = "shuffled"
    mask = "mask"


def explain(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="Sequences: FASTA, BED (with --genome), or CSV, TSV or Parquet with a column of "
            "sequences, such as `results/finetuning/datasets/TASK/examples.parquet`.",
        ),
    ],
    model: Annotated[Path, typer.Option(help="Folder of a tuned or a pretrained model.")],
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    method: Annotated[
        Method,
        typer.Option(
            help="mutagenesis: change every base to the three others; gradients: integrated "
            "gradients, of tuned models; dependencies: which base a pretrained model expects by "
            "which."
        ),
    ] = Method.mutagenesis,
    genome: Annotated[
        Path | None, typer.Option(help="FASTA or prepared genome, for BED and bigWig.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Class, label or number to explain; usually the second class or the "
            "first of others."
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Take rows of the input with a value alone."),
    ] = None,
    sequences: Annotated[
        int, typer.Option(min=1, help="Most sequences, evenly spread over the input.")
    ] = 1000,
    sequence_column: Annotated[str, typer.Option(help="Column of sequences.")] = "sequence",
    average: Annotated[
        bool, typer.Option("--average", help="Average over sequences, aligned at their focus.")
    ] = False,
    focus: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Base of all sequences to align at, from 0; else that of the "
            "column `focus`, or the middle.",
        ),
    ] = None,
    motifs: Annotated[
        Path | None,
        typer.Option(
            help="Motifs of JASPAR (.jaspar, .pfm) or MEME that stretches are compared with."
        ),
    ] = None,
    baseline: Annotated[
        Baseline, typer.Option(help="Where the path of gradients begins.")
    ] = Baseline.uniform,
    steps: Annotated[int, typer.Option(min=2, max=1024, help="Points on that path.")] = 32,
    rounds: Annotated[
        int, typer.Option(min=0, help="Rounds in which a masked language model hides bases.")
    ] = 7,
    seqlet_width: Annotated[
        int, typer.Option(min=3, help="Bases of a stretch that is compared with motifs.")
    ] = 8,
    logos: Annotated[int, typer.Option(min=0, help="Most sequences drawn one by one.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of all that is random.")] = 42,
) -> None:
    """Explain what decides about an output of a model: which bases, and which motifs.

    Writes a folder with `index.html`, logos (SVG), the numbers of every base (`bases.parquet`),
    and for sequences whose place is known tracks for genome browsers (bedGraph, bigWig). A run
    that was killed goes on where it was.

    Example: dnalm explain sites.bed --genome genome.fa --model
    results/finetuning/yeast-mini/tis/pretrained-1/model --average -o explained
    """
    from pipeline_lib.application.explanation.run import explain as run
    from pipeline_lib.application.explanation.settings import Settings

    settings = Settings(
        method=method.value, target=target, baseline=baseline.value, steps=steps, rounds=rounds,
        where=_pairs(where or []), sequences=sequences, focus=focus, average=average,
        seqlet_width=seqlet_width, logos=logos, seed=seed,
    )  # fmt: skip
    run(
        source, model, folder, settings,
        genome=genome, motifs=motifs, sequence_column=sequence_column,
    )  # fmt: skip
    typer.echo(f"wrote {folder}; open {folder / 'index.html'}")


def _pairs(texts: list[str]) -> dict[str, str]:
    from pipeline_lib.errors import InputError

    for text in texts:
        if not text.partition("=")[0] or "=" not in text:
            raise InputError(
                f"`--where` is {text!r}",
                expected="COLUMN=VALUE, such as split=test",
                remedy="correct `--where`",
            )
    return {text.partition("=")[0]: text.partition("=")[2] for text in texts}
