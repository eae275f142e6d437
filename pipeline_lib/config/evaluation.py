"""Section ``evaluation``: what models are measured by, and beside what."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline_lib.config.base import Section


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
