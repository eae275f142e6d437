"""Section ``corpus``: how assemblies are cut into sentences, documents and splits."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from pipeline_lib.config.base import Name, Range, Section, Share, spread_defaults


class Holdout(Section):
    """A part of the genome that is kept away from training."""

    contigs: tuple[str, ...] = Field(
        (), description="Whole contigs, by name or alias; `assembly:contig` to name one assembly's."
    )
    bed: str | None = Field(None, description="BED file of held-out intervals.")


class Holdouts(Section):
    """The two held-out splits; everything else is training data."""

    valid: Holdout = Field(Holdout(), description="Watched during training, used for every choice.")
    test: Holdout = Field(Holdout(), description="Looked at once, for the final figures.")


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


class Corpus(CorpusSettings):
    """A corpus: some assemblies, cut and split."""

    assemblies: tuple[Name, ...] = Field(
        min_length=1, description="Names of entries of `genome.assemblies`."
    )
    holdouts: Holdouts = Field(Holdouts(), description="What is held out.")

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


class CorpusConfig(CorpusSettings):
    """Corpora by name, and settings shared by all of them."""

    corpora: dict[Name, Corpus] = Field(default_factory=dict, description="Corpora, by name.")

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, section: Any) -> Any:
        return spread_defaults(section, "corpora")
