"""Section ``evaluation``: what models are measured by, and beside what."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline_lib.config.base import Name, Section
from pipeline_lib.config.zero import ZeroConfig


class Variants(Section):
    """Variants with two classes, scored by models tuned to a task."""

    file: str = Field(
        description="VCF with `CLNSIG`, or a table of contig, position (from 1), name, reference "
        "and alternative allele, whose class is in a column `label` or in the name."
    )
    assembly: Name = Field(description="The version of the genome that the file was made for.")
    task: Name = Field(
        description="A task of two classes whose examples have coordinates, as of `type: "
        "promoters` or `gene_starts`: the windows of its second class say which variants count, "
        "and models tuned to it score them."
    )
    positive: tuple[str, ...] = Field(
        ("pathogenic", "likely_pathogenic", "clinvar", "gwas"),
        min_length=1,
        description="Variants whose class or name begins so have an effect; case does not matter.",
    )
    negative: tuple[str, ...] = Field(
        ("benign", "likely_benign", "common", "1000g"),
        min_length=1,
        description="Variants whose class or name begins so have none. All others are left out.",
    )
    group_distance: int = Field(
        10_000,
        ge=0,
        description="Variants nearer to each other than this are resampled together, in bases.",
    )


class EvaluationConfig(Section):
    """Held-out bits per base and task scores, with baselines and intervals."""

    markov_orders: tuple[Annotated[int, Field(ge=1, le=13)], ...] = Field(
        tuple(range(1, 13)), min_length=1, description="Orders of the Markov models."
    )
    mask_rounds: int = Field(
        7,
        ge=2,
        description="A masked model hides every token once, in this many rounds.",
    )
    both_strands: bool = Field(
        False,
        description="Also report bits per base of the mean of what a masked model says of either "
        "strand. For tokenizers of single bases or k-mers.",
    )
    max_bases: int = Field(
        2_000_000,
        ge=1_000,
        description="Most held-out bases, on both strands, that bits per base are measured on: "
        "evenly spread blocks of 10 kb, the same for all models and baselines.",
    )
    bootstrap_samples: int = Field(1_000, ge=100, description="Resamplings behind every interval.")
    confidence: float = Field(0.95, gt=0.5, lt=1.0, description="Coverage of every interval.")
    baselines: tuple[Literal["constant", "kmer", "cnn"], ...] = Field(
        ("constant", "kmer", "cnn"),
        description="What models are scored beside: `constant` says the same of every example; "
        "`kmer` is a regression on k-mer counts; `cnn` a small convolutional network trained from "
        "random weights.",
    )
    baseline_kmers: tuple[Annotated[int, Field(ge=1, le=8)], ...] = Field(
        (1, 2, 3, 4),
        min_length=1,
        description="k of the k-mer regressions; the best on valid is used.",
    )
    cnn_bases: int = Field(
        60_000_000,
        ge=1_000,
        description="Most bases that the `cnn` reads in training, repeats counted: about a minute "
        "on one core. Larger tasks are sampled anew in every epoch.",
    )
    embeddings: tuple[Name, ...] = Field(
        (),
        description="Tasks of kind `class` whose examples are embedded by the untuned models: "
        "names as in `run.tasks`, whether they stand there or not.",
    )
    embedding_examples: int = Field(
        5_000,
        ge=100,
        description="Most examples of a task that are embedded, of all classes alike.",
    )
    variants: dict[Name, Variants] = Field(
        default_factory=dict, description="Files of variants, by name."
    )
    zero: ZeroConfig = Field(
        ZeroConfig(),
        description="Evaluations of pretrained models that need neither labels nor tuning.",
    )
