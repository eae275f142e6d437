"""Section ``evaluation.zero``: what is measured of pretrained models without labels."""

from typing import Literal

from pydantic import Field

from pipeline_lib.config.base import Section

ZeroPart = Literal["regions", "sites", "codons", "shuffles", "needles"]


class ZeroConfig(Section):
    """What a pretrained model knows, measured without labels and without tuning."""

    parts: tuple[ZeroPart, ...] = Field(
        ("regions", "sites", "codons", "shuffles", "needles"),
        description="`regions`: bits per base by type of region; `sites`: surprise at start and "
        "stop codons and splice sites, beside decoys; `codons`: synonymous against other "
        "substitutions; `shuffles`: held-out sequence against the same shuffled; `needles`: "
        "copying over long distances. `[]` for none.",
    )
    max_bases: int = Field(
        100_000,
        ge=1_000,
        description="Most held-out bases that `regions` reads, in evenly spread blocks of 10 kb; "
        "`shuffles` reads a fifth of them, and `needles` as many for each distance.",
    )
    sites: int = Field(
        100, ge=10, description="Most sites of each kind, drawn at random; each with a decoy."
    )
    codons: int = Field(
        300, ge=10, description="Most codons, drawn at random, whose bases are substituted."
    )
    window: int = Field(
        512,
        ge=64,
        description="Bases that a model is shown around a site or codon, and in `shuffles`; fewer "
        "if they do not fit into its context.",
    )
    promoter: int = Field(
        500, ge=1, description="Bases before the first of a gene that count as its promoter."
    )
    needles: int = Field(
        30, ge=4, description="Most random words that are hidden for each distance."
    )
    needle_length: int = Field(32, ge=8, description="Bases of such a word.")
    needle_distance: int = Field(
        8_192,
        ge=8,
        description="Longest distance in bases between the word and its copy; less if the context "
        "of the model ends before.",
    )
