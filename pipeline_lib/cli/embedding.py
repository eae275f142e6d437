"""``dnalm embed``: sequences as vectors, a figure of them, and what they know of a label."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline_lib.cli.choices import Dtype, Plane, Pooling, Precision, TooLong


def embed(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="FASTA, BED (with --genome), or CSV, TSV or Parquet with a column `sequence`.",
        ),
    ],
    model: Annotated[Path, typer.Option(help="Folder of a pretrained or a tuned model.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o",
            help="FILE.parquet (columns of the input, and `embedding`), or a folder for "
            "embeddings.npy and its index.",
        ),
    ],
    genome: Annotated[
        Path | None, typer.Option(help="FASTA or results/genome/ASSEMBLY, for BED.")
    ] = None,
    column: Annotated[str, typer.Option(help="Column of a table with sequences.")] = "sequence",
    layer: Annotated[
        int,
        typer.Option(help="0: after the embedding of tokens; 1, 2, ...; -1: the last; -2, ..."),
    ] = -1,
    pooling: Annotated[
        Pooling, typer.Option(help="Of tokens, special ones left out; `none`: one vector each.")
    ] = Pooling.mean,
    both_strands: Annotated[
        bool, typer.Option("--both-strands", help="The mean of the vectors of both strands.")
    ] = False,
    too_long: Annotated[
        TooLong,
        typer.Option(help="Sequences longer than the context: cut into `windows`, or an `error`."),
    ] = TooLong.windows,
    precision: Annotated[
        Precision, typer.Option(help="`auto`: bf16 on GPUs that have it, else fp32.")
    ] = Precision.auto,
    dtype: Annotated[Dtype, typer.Option(help="Of the vectors in the output.")] = Dtype.float32,
    figure: Annotated[
        Path | None,
        typer.Option(help="FILE.svg: vectors on a plane; FILE.tsv and FILE.html beside it."),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Column that colours the figure, and that the vectors are probed for."),
    ] = None,
    plane: Annotated[
        Plane,
        typer.Option(help="Of the figure. `map`: UMAP if umap-learn is there, else t-SNE."),
    ] = Plane.pca,
) -> None:  # fmt: skip
    """Write the vectors that a model gives of sequences, pooled over tokens or of each token.

    Goes on where it was if it was interrupted. With --figure and --label it also tells how well
    the label can be read from the vectors, beside counts of 4-mers.

    Example: dnalm embed genes.bed --genome genome.fa --model results/pretraining/MODEL/model
    -o genes.parquet --figure genes.svg --label name
    """
    from pipeline_lib.application.embedding.embed import HowToEmbed
    from pipeline_lib.application.embedding.embed import embed as run

    if figure is not None:
        from pipeline_lib.application.embedding.shown import check_figure, show

        check_figure(figure, pooling.value)
    values: dict[str, Any] = {
        "layer": layer,
        "pooling": pooling.value,
        "both_strands": both_strands,
        "too_long": too_long.value,
        "precision": precision.value,
        "dtype": dtype.value,
    }
    how = HowToEmbed(**values)
    about = run(source, model, output, how, genome=genome, sequence_column=column)
    typer.echo(f"wrote {output}: layer {about['layer']}, width {about['width']:,}")
    if figure is not None:
        for line in show(output, figure, label=label, plane=plane.value):
            typer.echo(line)
