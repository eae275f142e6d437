"""What a HyenaDNA model looks like: the keys of a preset with ``family: hyena``."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline_lib.config.base import Section, Share

EXTRA_TAPS = 2
"""Taps that a filter has beyond the context, in all published models."""


class HyenaArchitecture(Section):
    """Shape of a stack of Hyena operators (Poli et al. 2023; Nguyen et al. 2023)."""

    family: Literal["hyena"] = Field("hyena", description="HyenaDNA: long convolutions, gated.")
    layers: int = Field(2, ge=1, description="Number of layers, each an operator and an MLP.")
    width: int = Field(128, ge=2, description="Size of a token's hidden vector.")
    feedforward_width: int = Field(512, ge=2, description="Inner size of the MLP.")
    context_length: int = Field(
        1024, ge=2, description="Most tokens in one training input. Longer inputs run all the same."
    )
    short_filter: int = Field(3, ge=1, description="Taps of the short convolution.")
    filter_width: int = Field(64, ge=1, description="Inner size of the MLP that makes the filters.")
    filter_layers: int = Field(3, ge=1, description="Sine layers of the MLP of the filters.")
    filter_features: int = Field(
        5, ge=3, description="Features of a delay: 1 for time, the others waves; an odd number."
    )
    filter_frequency: float = Field(
        10.0, gt=0, description="Initial frequency of the sines in the MLP of the filters."
    )
    filter_length: int | None = Field(
        None,
        ge=2,
        description="Taps of a filter, to which its time axis is scaled (`l_max` of published "
        "weights); `context_length` + 2 if not given. Belongs to trained weights: changing it "
        "stretches their filters.",
    )
    filter_beyond: Literal["stop", "extend"] = Field(
        "stop",
        description="What a token farther away than `filter_length` counts: nothing, or what the "
        "MLP of the filter says at delays that it has never seen.",
    )
    filter_shift: float = Field(
        0.05,
        ge=0,
        description="Added to the decay of the filters, so that far tokens never quite vanish; "
        "0.05 in published models, 0 in the code that trained them.",
    )
    filter_decay_fast: float = Field(
        0.3, gt=0, description="Share of the filter after which the fastest channel has decayed."
    )
    filter_decay_slow: float = Field(1.5, gt=0, description="The same of the slowest channel.")
    filter_decay_target: float = Field(
        0.01, gt=0, lt=1, description="Size to which a channel has then decayed."
    )
    tied_output: bool = Field(
        True, description="The output matrix is that of the embeddings; false: one of its own."
    )
    embedding_dropout: Share = Field(0.1, description="Dropout of the token embeddings.")
    dropout: Share = Field(0.0, description="Dropout of what operators and MLPs add.")
    norm_epsilon: float = Field(1e-5, gt=0, description="Epsilon of the layer norms.")
    init_std: float = Field(0.02, gt=0, description="Standard deviation of initial weights.")
    bidirectional: bool = Field(
        False, description="Let tokens see both sides: for masked tokens, not for the next one."
    )
    equivariant: bool = Field(
        False,
        description="Read both strands with the same weights, so that the reverse complement of "
        "the input gives the reverse complement of the output (Caduceus); needs `bidirectional`.",
    )
    checkpointing: bool = Field(
        False, description="Recompute layers in the backward pass: less memory, a third more time."
    )

    @property
    def input_length(self) -> int:
        """Most tokens of one training input."""
        return self.context_length

    @property
    def taps(self) -> int:
        """Number of taps of a filter, to which its time axis is scaled."""
        return self.filter_length or self.context_length + EXTRA_TAPS

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.filter_features % 2 == 0:
            raise ValueError(
                f"`filter_features` {self.filter_features} is even: "
                "it is 1 for time and 2 (cosine and sine) for each wave"
            )
        if self.filter_decay_fast > self.filter_decay_slow:
            raise ValueError(
                f"`filter_decay_fast` {self.filter_decay_fast} is larger than "
                f"`filter_decay_slow` {self.filter_decay_slow}: it is the shorter time"
            )
        if self.equivariant and not self.bidirectional:
            raise ValueError(
                "`equivariant` needs `bidirectional`: the second strand is read from the other "
                "end, and would show every token the next one"
            )
        if self.equivariant and not self.tied_output:
            raise ValueError("`equivariant` needs `tied_output`: both strands share one matrix")
        return self
