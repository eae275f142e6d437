"""Section ``tokenizer``: how sequence becomes tokens."""

from typing import Any, Literal

from pydantic import Field, model_validator

from pipeline_lib.config.base import Name, Section, spread_defaults


class TokenizerSettings(Section):
    """Settings of byte-pair encoding (GENA-LM, Methods)."""

    kind: Literal["bpe"] = Field("bpe", description="Byte-pair encoding.")
    vocab_size: int = Field(
        32_000,
        ge=11,
        le=65_536,
        description="Number of tokens, special tokens and single letters included; 11 makes every "
        "base a token.",
    )
    sample_bases: int = Field(
        50_000_000, ge=1_000, description="Bases of training sentences that the merges come from."
    )
    min_frequency: int = Field(
        2, ge=1, description="A pair of tokens seen less often than this is never merged."
    )
    max_token_length: int = Field(64, ge=1, description="Longest token, in bases.")


class Tokenizer(TokenizerSettings):
    """A tokenizer, trained on the training split of a corpus."""

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
