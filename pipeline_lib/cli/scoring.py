"""``dnalm score`` and ``dnalm prioritise``: variants."""

from pathlib import Path
from typing import Annotated

import typer


def score(
    variants: Annotated[Path, typer.Argument(help="VCF, plain or bgzip, or BCF; sorted.")],
    genome: Annotated[
        Path, typer.Option(help="FASTA of the assembly, or a folder `results/genome/ASSEMBLY`.")
    ],
    model: Annotated[Path, typer.Option(help="Folder of a pretrained or tuned model.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="VCF to write, `.vcf.gz`.")],
    bed: Annotated[
        Path | None,
        typer.Option(
            help="Regions or genes to sum up scores over: a TSV beside the output, `.regions.tsv`."
        ),
    ] = None,
    window: Annotated[
        int,
        typer.Option(help="Bases the model reads; 0: as in its task, or what fits, up to 2,048."),
    ] = 0,
    embedding: Annotated[
        bool,
        typer.Option(
            "--embedding", help="Also how far embeddings move; ten times slower and more."
        ),
    ] = False,
    layout: Annotated[
        str, typer.Option(help="Tuned models: `auto`, `fields`, `lists` or `strongest`.")
    ] = "auto",
    prefix: Annotated[str, typer.Option(help="What INFO fields begin with.")] = "DNALM",
    max_mismatch: Annotated[
        float, typer.Option(help="Share of REF alleles that may differ from the genome.")
    ] = 0.05,
    part_records: Annotated[int, typer.Option(help="Records scored at a time.")] = 1_000,
    batch_tokens: Annotated[
        int, typer.Option(help="Tokens read at a time; more on a GPU.")
    ] = 8_192,
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 1,
) -> None:
    """Score variants with a model: VCF in, VCF with an index out.

    A pretrained model gives the log2 likelihood ratio of the alternative allele (LLR) and, with
    `--embedding`, how far embeddings move (COSINE, L2); a tuned one the outputs with either
    allele (REF, ALT), their difference (DIFF) and the change of log2 odds (LFC). All are means of
    both strands, with their difference as SPREAD. Alleles that cannot be scored say why in
    SKIPPED. A run that was killed goes on when it is started again.

    Example: dnalm score in.vcf.gz --genome hg19.fa --model models/M -o out.vcf.gz
    """
    from pipeline_lib.application.scoring.score import score_file
    from pipeline_lib.cli.checks import checked_settings
    from pipeline_lib.config.application_scoring import ScoreSettings

    settings = checked_settings(
        ScoreSettings, window=window, embedding=embedding, layout=layout, prefix=prefix,
        max_mismatch=max_mismatch, part_records=part_records, batch_tokens=batch_tokens,
    )  # fmt: skip
    table = output.with_name(output.name.removesuffix(".vcf.gz") + ".regions.tsv") if bed else None
    found = score_file(
        variants, genome, model, output, settings, bed=bed, table=table, threads=threads
    )
    left = sum(found["without_scores"].values())
    typer.echo(
        f"wrote {output}: {found['alternative_alleles']:,} alternative alleles of "
        f"{found['records']:,} records, {left:,} without scores"
    )
    for reason, count in found["without_scores"].items():
        typer.echo(f"{count:>9,} {reason}")


def prioritise(
    variants: Annotated[
        Path,
        typer.Argument(
            help="Scored VCF whose INFO `CLNSIG` or `LABEL`, or ID, says the class; or "
            "a table of contig, position, ref, alt, label and features."
        ),
    ],
    genome: Annotated[
        Path, typer.Option(help="FASTA of the assembly, or a folder `results/genome/ASSEMBLY`.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="JSON to write, `.json`.")],
    positive: Annotated[
        str, typer.Option(help="Beginnings of the names of classes with an effect.")
    ] = "pathogenic,likely_pathogenic,clinvar,gwas",
    negative: Annotated[
        str, typer.Option(help="Beginnings of the names of classes without one.")
    ] = "benign,likely_benign,common,1000g",
    group_distance: Annotated[
        int, typer.Option(help="Variants nearer than this, in bases, stay together.")
    ] = 10_000,
    folds: Annotated[int, typer.Option(help="Outer folds.")] = 5,
    inner_folds: Annotated[int, typer.Option(help="Folds that choose settings.")] = 3,
    kmer: Annotated[int, typer.Option(help="k of the baseline's k-mers.")] = 3,
    flank: Annotated[int, typer.Option(help="Bases on either side that it sees.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of every random choice.", min=0)] = 42,
) -> None:
    """Tell labelled variants apart by their scores: gradient boosting, nested cross-validation.

    Out: AUROC and AUPRC with intervals as JSON, the out-of-fold scores of every variant as TSV,
    and a figure (SVG, TSV, HTML) beside it; for the scores of the model, and for k-mers and
    position, which need none.

    Example: dnalm prioritise scored.vcf.gz --genome hg19.fa -o priorities.json
    """
    from pipeline_lib.application.scoring.prioritise import prioritise as run
    from pipeline_lib.cli.checks import checked_settings
    from pipeline_lib.config.application_scoring import PrioritySettings
    from pipeline_lib.errors import InputError
    from pipeline_lib.files import read_json
    from pipeline_lib.report.priorities import priority_scores
    from pipeline_lib.report.style import Outputs

    if output.suffix != ".json":
        raise InputError(
            f"the output is named {output.name!r}",
            expected="a name that ends with .json",
            remedy="give another name to `--output`",
        )
    settings = checked_settings(
        PrioritySettings, positive=tuple(positive.split(",")), negative=tuple(negative.split(",")),
        group_distance=group_distance, folds=folds, inner_folds=inner_folds, kmer=kmer, flank=flank,
    )  # fmt: skip
    table = output.with_suffix(".tsv")
    run(variants, genome, output, table, settings, seed=seed)
    figure = Outputs(
        output.with_suffix(".svg"), output.with_suffix(".figure.tsv"), output.with_suffix(".html")
    )
    priority_scores(output, table, outputs=figure)
    found = read_json(output)
    typer.echo(f"{found['positives']} with an effect, {found['negatives']} without, "
               f"{found['loci']} loci")  # fmt: skip
    for family, scores in found["scores"].items():
        parts = [f"{name.upper()} {one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
                 for name, one in scores.items()]  # fmt: skip
        typer.echo(f"{family:>15} {', '.join(parts)}")
