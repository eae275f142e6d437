"""The command ``dnalm``: what the workflow does, for people at a prompt."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline_lib import __version__
from pipeline_lib.errors import DnalmError

app = typer.Typer(
    help="From a genome to an evaluated DNA language model. The workflow itself is run with "
    "`snakemake --cores 2`; these commands help before and after it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Check and explain configuration files.", no_args_is_help=True)
app.add_typer(config_app, name="config")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


@app.command()
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

    from pipeline_lib.report.summary import summary_text

    tasks = [
        file for model in models for file in sorted(model.parent.glob("*.json")) if file != model
    ]
    typer.echo(summary_text({file.parent.name: file for file in models}, tasks))


@app.command()
def models(
    folder: Annotated[Path, typer.Option(help="Folder of model presets.")] = Path("config/models"),
) -> None:
    """List the model presets with their sizes.

    Example: dnalm models --folder config/models
    """
    from pipeline_lib.config import load_architecture

    for file in sorted(folder.glob("*.yaml")):
        shape = load_architecture(file.stem, {}, [folder])
        typer.echo(
            f"{file.stem:<16} {shape.family:<8} {shape.layers:>3} layers  width {shape.width:<5} "
            f"context {shape.context_length:,} tokens"
        )


@config_app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="YAML files, layered in order.")],
) -> None:
    """Check configuration files without running anything.

    Example: dnalm config check config/config.yaml config/species/arabidopsis.yaml
    """
    from pipeline_lib.config import read_config

    config = read_config(*files)
    typer.echo(f"fine: models {', '.join(config.run.models)}; tasks {', '.join(config.run.tasks)}")


@config_app.command()
def schema() -> None:
    """Print the JSON schema of the configuration, for editors."""
    from pipeline_lib.config.reference import json_schema

    typer.echo(json_schema(), nl=False)


@config_app.command()
def reference() -> None:
    """Print the reference of every configuration key, as Markdown."""
    from pipeline_lib.config.reference import reference_page

    typer.echo(reference_page(), nl=False)


def main() -> None:
    """Run the command; an error the user can mend is a sentence, not a traceback."""
    try:
        app()
    except DnalmError as error:
        typer.echo(f"dnalm: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
