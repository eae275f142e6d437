"""``dnalm haplotypes train``, ``generate`` and ``report``: artificial genomes."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Artificial genomes: haplotypes that resemble those of a population. Train a model on "
    "real ones, draw new ones, and see how good they are.",
    no_args_is_help=True,
)

Real = Annotated[
    Path, typer.Argument(help="Phased VCF or BCF, or `.hapt` (also `.hapt.zip`) with `--legend`.")
]
Legend = Annotated[Path | None, typer.Option(help="The sites of a `.hapt` file.")]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.", min=0)]
Device = Annotated[str, typer.Option(help="`cpu`, `cuda`, or `auto`: cuda where there is one.")]


@app.command()
def train(
    real: Real,
    output: Annotated[Path, typer.Option("--output", "-o", help="Model folder to write.")],
    legend: Legend = None,
    epochs: Annotated[int, typer.Option(help="Most passes over the haplotypes.", min=1)] = 12,
    layers: Annotated[int, typer.Option(help="Transformer layers.", min=1)] = 4,
    width: Annotated[int, typer.Option(help="Size of a hidden vector.", min=8)] = 96,
    alleles_per_token: Annotated[int, typer.Option(help="Sites in a token.", min=1, max=8)] = 5,
    batch_size: Annotated[int, typer.Option(help="Haplotypes in a step.", min=1)] = 32,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 2e-3,
    valid: Annotated[float, typer.Option(help="Share of individuals to validate on.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share of individuals kept for the report.")] = 0.1,
    checkpoint_every: Annotated[int, typer.Option(help="Steps between checkpoints.", min=1)] = 50,
    seed: Seed = 42,
    device: Device = "auto",
) -> None:
    """Learn the haplotypes of a panel; writes a model folder.

    In: phased haplotypes. Out: config.json, model.safetensors and sites.tsv. Both haplotypes of
    an individual are in one split; training ends when the individuals to validate on are
    predicted no better. A run that was killed goes on when it is started again.

    Example: dnalm haplotypes train real.hapt.zip --legend real.legend -o model
    """
    from pipeline_lib.application.haplotypes.files import read_panel
    from pipeline_lib.application.haplotypes.training import train_haplotypes
    from pipeline_lib.cli.checks import checked_settings, chosen_device
    from pipeline_lib.config.application_haplotypes import HaplotypeTraining

    settings = checked_settings(
        HaplotypeTraining,
        epochs=epochs, layers=layers, width=width, alleles_per_token=alleles_per_token,
        batch_size=batch_size, learning_rate=learning_rate, valid=valid, test=test,
        checkpoint_every=checkpoint_every,
    )  # fmt: skip
    panel = read_panel(real, legend)
    about = train_haplotypes(panel, output, settings, seed=seed, device=chosen_device(device))
    typer.echo(
        f"wrote {output}: {about['best_valid_bits_per_allele']:.4f} bits per allele in validation "
        f"after {len(about['history'])} passes"
    )


@app.command()
def generate(
    model: Annotated[Path, typer.Argument(help="Folder that `dnalm haplotypes train` wrote.")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="`.vcf.gz`, `.vcf`, `.hapt` or `.hapt.zip`."),
    ],
    count: Annotated[int, typer.Option("-n", "--count", help="Haplotypes to draw.", min=1)] = 5000,
    temperature: Annotated[
        float, typer.Option(help="Below 1 likelier alleles are preferred; 1 is as learnt.", min=0)
    ] = 1.0,
    seed: Seed = 42,
    device: Device = "auto",
) -> None:
    """Draw artificial haplotypes.

    In: a model folder. Out: phased VCF, two haplotypes a sample, with its tabix index; or `.hapt`
    with a legend beside it. The same seed gives the same file, also after a kill.

    Example: dnalm haplotypes generate model -n 5000 --seed 1 -o artificial.vcf.gz
    """
    from pipeline_lib.application.haplotypes.generation import generate_haplotypes
    from pipeline_lib.cli.checks import chosen_device

    panel = generate_haplotypes(
        model, output, count, seed=seed, temperature=temperature, device=chosen_device(device)
    )
    typer.echo(f"wrote {output}: {len(panel):,} haplotypes of {panel.alleles.shape[1]:,} sites")


@app.command()
def report(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    real: Annotated[Path, typer.Option(help="Real haplotypes: VCF, BCF or `.hapt`.")],
    sample: Annotated[
        list[str],
        typer.Option("--sample", "-s", help="NAME=FILE of artificial haplotypes; repeatable."),
    ],
    legend: Legend = None,
    populations: Annotated[
        Path | None, typer.Option(help="Table of individuals and populations, for colours.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Model whose split says what was trained on.")
    ] = None,
    valid: Annotated[float, typer.Option(help="Share validated on, without --model.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share to test on, without --model.")] = 0.1,
    seed: Seed = 42,
) -> None:
    """Compare artificial haplotypes with real ones, and with simple samplers.

    In: real and artificial haplotypes over the same sites. Out: report.html, scores.tsv and .json,
    and figures as SVG with the tables behind them: allele frequencies, linkage, distances,
    principal components, nearest neighbours, triplets, copies.

    Example: dnalm haplotypes report --real real.vcf.gz -s ours=artificial.vcf.gz -o report
    """
    from pipeline_lib.application.haplotypes.report import Inputs, write_report

    samples = named_files(sample)
    inputs = Inputs(real, samples, legend, populations, model)
    about = write_report(inputs, output, seed=seed, valid=valid, test=test)
    for name, scores in about["scores"].items():
        typer.echo(
            f"{name}: allele frequencies r {scores['af_r']['value']:.4f}, pairwise r2 "
            f"r {scores['ld_r']['value']:.4f}, AATS {scores['aats']['value']:.4f}, "
            f"{scores['copies']:,} copies"
        )
    typer.echo(f"wrote {output / 'report.html'}")


def named_files(values: list[str]) -> dict[str, Path]:
    """Return files by name of options NAME=FILE.

    Raises
    ------
    InputError
        If one is not of this form, or a name is given twice.
    """
    from pipeline_lib.errors import InputError

    found: dict[str, Path] = {}
    for value in values:
        name, sign, path = value.partition("=")
        if not (name and sign and path) or name in found:
            raise InputError(
                f"`-s {value}` is not understood"
                if name not in found
                else f"{name!r} stands twice",
                expected="NAME=FILE, each name once",
                remedy="write for example `-s GAN=gan.hapt.zip`",
            )
        found[name] = Path(path)
    return found
