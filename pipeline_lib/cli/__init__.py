"""The command ``dnalm``: what the workflow does, for people at a prompt."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline_lib import __version__
from pipeline_lib.cli import (
    annotation,
    config,
    embedding,
    explaining,
    generating,
    haplotypes,
    models,
    scoring,
    serving,
)
from pipeline_lib.errors import DnalmError

USE, SHARE, RUN = "Put a model to use", "Share models", "Before and after a run"

app = typer.Typer(
    help="From a genome to an evaluated DNA language model. The workflow itself is run with "
    "`snakemake --cores 2`; these commands help before and after it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command("score", rich_help_panel=USE)(scoring.score)
app.command("prioritise", rich_help_panel=USE)(scoring.prioritise)
app.command("embed", rich_help_panel=USE)(embedding.embed)
app.command("annotate", rich_help_panel=USE)(annotation.annotate)
app.command("explain", rich_help_panel=USE)(explaining.explain)
app.command("generate", rich_help_panel=USE)(generating.generate)
app.command("serve", rich_help_panel=USE)(serving.serve)
app.add_typer(haplotypes.app, name="haplotypes", rich_help_panel=USE)
app.command("import", rich_help_panel=SHARE)(models.import_folder)
app.command("export", rich_help_panel=SHARE)(models.export_folder)
app.add_typer(config.app, name="config", rich_help_panel=RUN)
app.command("models", rich_help_panel=RUN)(models.list_models)


@app.command(rich_help_panel=RUN)
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command(rich_help_panel=RUN)
def results(
    folder: Annotated[Path, typer.Argument(help="Folder of results.")] = Path("results"),
) -> None:
    """Print the table of results of a finished run.

    Example: dnalm results results
    """
    models = sorted((folder / "evaluation").glob("*/pretraining.json"))
    if not models:
        typer.echo(f"{folder} holds no evaluated model yet; run `snakemake --cores 2` first")
        raise typer.Exit(1)

    from pipeline_lib.files import read_json
    from pipeline_lib.report.summary import summary_text

    tasks = [
        file
        for model in models
        for file in sorted(model.parent.glob("*.json"))
        if "headline" in read_json(file)  # others are not of tasks
    ]
    typer.echo(summary_text({file.parent.name: file for file in models}, tasks))


def main() -> None:
    """Run the command; an error the user can mend is a sentence, not a traceback."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("pipeline_lib").setLevel(logging.INFO)
    try:
        app()
    except DnalmError as error:
        typer.echo(f"dnalm: {error}", err=True)
        sys.exit(1)
