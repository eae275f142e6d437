"""``dnalm config``: what may stand in configuration files."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Check and explain configuration files.", no_args_is_help=True)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(help="YAML files, layered in order.")],
) -> None:
    """Check configuration files without running anything.

    Example: dnalm config check config/config.yaml config/species/arabidopsis.yaml
    """
    from pipeline_lib.config import read_config

    config = read_config(*files)
    typer.echo(f"fine: models {', '.join(config.run.models)}; tasks {', '.join(config.run.tasks)}")


@app.command()
def schema() -> None:
    """Print the JSON schema of the configuration, for editors."""
    from pipeline_lib.config.reference import json_schema

    typer.echo(json_schema(), nl=False)


@app.command()
def reference() -> None:
    """Print the reference of every configuration key, as Markdown."""
    from pipeline_lib.config.reference import reference_page

    typer.echo(reference_page(), nl=False)
