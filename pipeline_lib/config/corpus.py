"""Section ``corpus``: how assemblies are cut into sentences, documents and splits."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from pipeline_lib.config.base import Name, Range, Section, Share, spread_defaults


class Holdout(Section):
    """A part of the genome that is kept away from training."""

    contigs: tuple[str, ...] = Field(
        (), description="Whole contigs, by name or alias; `assembly:contig` to name one assembly's."
    )
    bed: str | None = Field(None, description="BED file of held-out intervals.")
    name: str | None = Field(
        None, description="Of the BED file, only the lines with this name in their fourth column."
    )


class Lift(Section):
    """Carrying holdouts over from a reference to the other assemblies, with minimap2."""

    reference: Name = Field(description="The assembly that the holdouts are given for.")
    preset: Literal["asm5", "asm10", "asm20"] = Field(
        "asm20", description="Preset of minimap2: genomes differ by up to 5, 10 or 20 %."
    )
    min_identity: Share = Field(0.8, description="Smallest share of identical bases of a hit.")
    merge_distance: int = Field(
        10_000, ge=0, description="Hits at most this many bases apart are joined (GENA-LM)."
    )


class Holdouts(Section):
    """The two held-out splits; everything else is training data."""

    valid: Holdout = Field(Holdout(), description="Watched during training, used for every choice.")
    test: Holdout = Field(Holdout(), description="Looked at once, for the final figures.")
    lift: Lift | None = Field(
        None, description="Hold the same regions out in every assembly, found by alignment."
    )


class Homology(Section):
    """Training sequence that is a near copy of held-out sequence, on either strand."""

    method: Literal["sketch", "mmseqs2", "none"] = Field(
        "sketch",
        description="`sketch`: by shared 31-mers, built in. `mmseqs2`: by alignment, in an "
        "environment of its own. `none`: left in; the report still says how much leaks.",
    )
    max_kmers: int = Field(
        10_000_000,
        ge=1_000,
        description="Most held-out 31-mers to tabulate, about 15 bytes each. Larger holdouts are "
        "sampled, alike everywhere: of 300 million bases, one 31-mer in 30 is looked at.",
    )
    min_length: int = Field(
        500, ge=31, description="Length of the window in which shared 31-mers are counted, bases."
    )
    min_share: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        0.25,
        description="A window with at least this share of shared 31-mers is left out of training. "
        "Two sequences that differ in 4 % of their bases share about 0.28.",
    )
    min_identity: Share = Field(0.8, description="For `mmseqs2`: least identity of a hit.")


class Regions(Section):
    """Where a corpus takes sequence from, in place of whole contigs."""

    bed: str | None = Field(None, description="BED file of intervals.")
    name: str | None = Field(
        None, description="Of the BED file, only the lines with this name in their fourth column."
    )
    around_tss: tuple[int, int] | None = Field(
        None,
        description="Bases before and after every transcription start of the annotation, for "
        "example [16000, 8000] (ModernGENA).",
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.bed is None) == (self.around_tss is None):
            raise ValueError("give either `bed` or `around_tss`, exactly one of them")
        return self


class Variants(Section):
    """Haplotypes of the samples of a phased VCF, in place of the reference."""

    vcf: tuple[str, ...] = Field(
        min_length=1,
        description="VCF or BCF files, as paths or addresses; together, all contigs that have "
        "variants.",
    )
    samples: tuple[str, ...] = Field((), description="Samples to take; none means all.")
    unphased: Literal["reference", "keep"] = Field(
        "reference", description="An unphased heterozygous call: the reference, or as it stands."
    )
    min_variants: int = Field(
        1, ge=0, description="A haplotype's document with fewer variants than this is left out."
    )


class CorpusSettings(Section):
    """How a contig becomes sentences and documents (GENA-LM, Methods)."""

    sentence_length: Range = Field(
        (500, 1000), description="Shortest and longest sentence, in bases."
    )
    sentences_per_document: Range = Field(
        (50, 100), description="Fewest and most consecutive sentences of a document."
    )
    max_offset: int = Field(
        5000, ge=0, description="The first sentence of a pass starts at 0 to this many bases."
    )
    passes: int = Field(
        10, ge=1, description="How often the training contigs are cut anew, each time differently."
    )
    strands: Literal["both", "forward"] = Field(
        "both", description="Read both strands, or the forward strand alone."
    )
    max_n_share: Share = Field(
        0.5, description="Sentences with a larger share of N than this are not emitted."
    )
    gap_length: int = Field(
        10, ge=1, description="Runs of at least this many N are gaps, which no sentence bridges."
    )
    homology: Homology = Field(
        Homology(), description="What is done about copies of held-out sequence in training."
    )


class Corpus(CorpusSettings):
    """A corpus: some assemblies, cut and split."""

    assemblies: tuple[Name, ...] = Field(
        min_length=1,
        description="Names of entries of `genome.assemblies`; or `all`: every row of "
        "`genome.sheet`, or every entry where there is no sheet.",
    )
    holdouts: Holdouts = Field(Holdouts(), description="What is held out.")
    shares: dict[Name, Annotated[float, Field(gt=0.0, le=1.0)]] = Field(
        default_factory=dict,
        description="Share of the training bases that an assembly is to have, by more or fewer "
        "passes; the rest is divided as it comes.",
    )
    regions: Regions | None = Field(None, description="Take sequence from these places alone.")
    variants: Variants | None = Field(
        None, description="Read haplotypes of these samples in place of the reference."
    )

    @model_validator(mode="after")
    def _some_holdout(self) -> Self:
        for split in ("valid", "test"):
            holdout: Holdout = getattr(self.holdouts, split)
            if not holdout.contigs and holdout.bed is None:
                raise ValueError(
                    f"`holdouts.{split}` names neither contigs nor a BED file: without held-out "
                    "sequence a model cannot be evaluated honestly"
                )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in (*self.shares, *([self.holdouts.lift.reference] if self.holdouts.lift else [])):
            if name not in self.assemblies:
                raise ValueError(
                    f"{name!r} is none of `assemblies`, which are {', '.join(self.assemblies[:10])}"
                )
        total = sum(self.shares.values())
        everything = set(self.shares) == set(self.assemblies)
        if total > 1 + 1e-9 or (everything and total < 1 - 1e-9) or (not everything and total >= 1):
            raise ValueError(
                f"`shares` add up to {total:g}; they must add up to "
                + ("1, since they name all assemblies" if everything else "less than 1")
            )
        if self.variants and len(self.assemblies) != 1:
            raise ValueError(
                f"`variants` are of one assembly, but there are {len(self.assemblies)}"
            )
        return self


class CorpusConfig(CorpusSettings):
    """Corpora by name, and settings shared by all of them."""

    corpora: dict[Name, Corpus] = Field(default_factory=dict, description="Corpora, by name.")

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, section: Any) -> Any:
        return spread_defaults(section, "corpora")


def with_all_assemblies(values: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return a configuration in which `assemblies: all` of a corpus has become these names."""
    section = values.get("corpus")
    corpora = section.get("corpora") if isinstance(section, Mapping) else None
    if not isinstance(section, Mapping) or not isinstance(corpora, Mapping):
        return dict(values)
    named = {
        name: {**corpus, "assemblies": names}
        if isinstance(corpus, Mapping) and corpus.get("assemblies") == "all"
        else corpus
        for name, corpus in corpora.items()
    }
    return {**values, "corpus": {**section, "corpora": named}}
