"""``dnalm models``, ``import`` and ``export``: presets, and models of others."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

# Where a preset says nothing of its vocabulary.
_VOCABULARY = {"hyena": 16}
_USUAL_VOCABULARY = 32_000
_SHOWN = 3


def list_models(
    folder: Annotated[Path, typer.Option(help="Folder of model presets.")] = Path("config/models"),
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON, with exact numbers.")
    ] = False,
) -> None:
    """List the model presets: size, context, memory to train.

    Memory is an estimate for one input of the whole context with AdamW, in float32 and with
    bfloat16 autocast.

    Example: dnalm models --folder config/models
    """
    rows = sorted(
        (_describe(file, folder) for file in folder.glob("*.yaml")),
        key=lambda row: (row["family"], row["parameters"], row["name"]),
    )
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif rows:
        typer.echo(_table(rows))
    else:
        typer.echo(f"{folder} holds no presets")
        raise typer.Exit(1)


def import_folder(
    source: Annotated[Path, typer.Argument(help="Folder of `transformers`.")],
    destination: Annotated[Path, typer.Argument(help="Folder to write.")],
    tokenizer: Annotated[
        Path | None, typer.Option(help="tokenizer.json, if not the one of the folder.")
    ] = None,
    verbose: Annotated[bool, typer.Option(help="Name every weight.")] = False,
) -> None:
    """Make a published model ours, and say what became of every weight.

    Reads BERT, BigBird, ModernBERT, ALBERT, GPT-2, HyenaDNA and the models of GENA-LM.

    Example: dnalm import downloads/moderngena-base results/imported/moderngena-base
    """
    from pipeline_lib.pretraining.exchange import import_model

    architecture, report, notes = import_model(source, destination, tokenizer)
    for title, names in zip(("used", "ignored", "missing"), report, strict=True):
        typer.echo(_names(title, names, verbose))
    for note in notes:
        typer.echo(f"note: {note}")
    typer.echo(
        f"wrote {destination}: {architecture.family}, {architecture.layers} layers, "
        f"width {architecture.width}, context {architecture.input_length:,} tokens"
    )


def export_folder(
    model: Annotated[Path, typer.Argument(help="Model folder of ours.")],
    destination: Annotated[Path, typer.Argument(help="Folder to write.")],
) -> None:
    """Write a model for `transformers`, without code of its own wherever that is possible.

    Example: dnalm export results/pretraining/yeast-mini/model yeast-mini
    """
    from pipeline_lib.pretraining.exchange import export_model

    text = export_model(model, destination)
    typer.echo(f"wrote {destination}; to load it:\n\n{text}")


def _describe(file: Path, folder: Path) -> dict[str, Any]:
    from pipeline_lib.config import load_architecture
    from pipeline_lib.models.memory_estimate import count_parameters, estimate

    shape = load_architecture(file.stem, {}, [folder])
    vocabulary = getattr(shape, "published_vocabulary", None) or _VOCABULARY.get(
        shape.family, _USUAL_VOCABULARY
    )
    length = shape.input_length
    single, half = (
        estimate(shape, vocabulary, batch_size=1, length=length, precision=precision)
        for precision in ("float32", "bfloat16")
    )
    return {
        "name": file.stem,
        "family": shape.family,
        "parameters": count_parameters(shape, vocabulary),
        "vocabulary": vocabulary,
        "layers": shape.layers,
        "width": shape.width,
        "context": length,
        "memory_float32": single.total,
        "memory_bfloat16": half.total,
    }


def _table(rows: Sequence[dict[str, Any]]) -> str:
    lines = [("name", "family", "parameters", "layers", "width", "context", "float32", "bfloat16")]
    lines += [
        (
            row["name"],
            row["family"],
            f"{row['parameters'] / 1e6:,.1f} M",
            str(row["layers"]),
            str(row["width"]),
            f"{row['context']:,}",
            *(f"{row[f'memory_{kind}'] / 1e9:,.2f} GB" for kind in ("float32", "bfloat16")),
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return "\n".join(
        [*texts, "", "Context in tokens; memory to train on one input of that length with AdamW."]
    )


def _names(title: str, names: Sequence[str], verbose: bool) -> str:
    shown = names if verbose else names[:_SHOWN]
    more = ", ..." if len(names) > len(shown) else ""
    listed = f": {', '.join(shown)}{more}" if shown else ""
    return f"{len(names):>5,} weights {title}{listed}"
