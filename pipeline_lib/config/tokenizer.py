"""Section ``tokenizer``: how sequence becomes tokens."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from pipeline_lib.config.base import Name, Section, spread_defaults


class TokenizerSettings(Section):
    """Byte-pair encoding (GENA-LM, Methods), words of k bases (LOGO, DNAGPT), or single bases."""

    kind: Literal["bpe", "kmer", "nucleotide"] = Field(
        "bpe",
        description="Byte-pair encoding, learnt from the corpus; words of `k` bases; or single "
        "bases.",
    )
    vocabulary: Literal["dnalm", "dnagpt", "logo", "hyenadna"] = Field(
        "dnalm",
        description="Which ids the tokens of `kmer` and `nucleotide` have: ours, or those that "
        "were published with DNAGPT, LOGO (k-mers) or HyenaDNA (single bases).",
    )
    k: int = Field(6, ge=1, le=7, description="Bases of a word of `kmer`; a last one is shorter.")
    overlapping: bool = Field(
        False,
        description="For `kmer`: a word begins at every base, not at every `k`-th. LOGO reads "
        "words that do not overlap, at each of the `k` phases.",
    )
    vocab_size: int = Field(
        32_000,
        ge=11,
        le=65_000,
        description="For `bpe`: number of tokens, special tokens and single letters included; "
        "11 makes every base a token.",
    )
    sample_bases: int = Field(
        50_000_000,
        ge=1_000,
        description="Bases of training sentences that the merges and the statistics come from.",
    )
    min_frequency: int = Field(
        2, ge=1, description="A pair of tokens seen less often than this is never merged."
    )
    max_token_length: int = Field(64, ge=1, description="Longest token of `bpe`, in bases.")

    @model_validator(mode="after")
    def _published(self) -> Self:
        fits = {
            "bpe": ("dnalm",),
            "kmer": ("dnalm", "dnagpt", "logo"),
            "nucleotide": ("dnalm", "hyenadna"),
        }[self.kind]
        if self.vocabulary not in fits:
            raise ValueError(
                f"`vocabulary` is {self.vocabulary!r}; for `kind: {self.kind}` it is one of "
                f"{', '.join(fits)}"
            )
        if self.overlapping and self.kind != "kmer":
            raise ValueError(f"`overlapping` goes with `kind: kmer`, not with {self.kind!r}")
        if self.kind == "kmer" and self.vocabulary != "dnalm" and self.k > 6:
            raise ValueError(f"`k` is {self.k}; published vocabularies have words of at most 6")
        return self


class Tokenizer(TokenizerSettings):
    """A tokenizer, trained or measured on the training split of a corpus."""

    corpus: Name = Field(description="Name of an entry of `corpus.corpora`.")


class TokenizerConfig(TokenizerSettings):
    """Tokenizers by name, and settings shared by all of them."""

    tokenizers: dict[Name, Tokenizer] = Field(
        default_factory=dict, description="Tokenizers, by name."
    )

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, section: Any) -> Any:
        return spread_defaults(section, "tokenizers")
