"""What a model looks like: the keys of ``config/models/*.yaml``."""

from typing import Literal, Self

from pydantic import Field, model_validator

from pipeline_lib.config.base import Section, Share


class Architecture(Section):
    """Shape of a Transformer encoder (Devlin et al. 2019; Xiong et al. 2020 for `norm: pre`)."""

    family: Literal["bert"] = Field("bert", description="BERT: bidirectional, masked tokens.")
    layers: int = Field(12, ge=1, description="Number of Transformer layers.")
    width: int = Field(768, ge=8, description="Size of a token's hidden vector.")
    heads: int = Field(12, ge=1, description="Attention heads per layer.")
    feedforward_width: int = Field(3072, ge=8, description="Inner size of the feed-forward block.")
    context_length: int = Field(
        512, ge=8, description="Most tokens in one input, [CLS] and [SEP] included."
    )
    norm: Literal["post", "pre"] = Field(
        "post", description="Layer norm after each block (BERT) or before it (GENA-LM)."
    )
    final_norm: bool = Field(False, description="One more layer norm at the end of `norm: pre`.")
    positions: Literal["learned", "rotary"] = Field(
        "learned", description="Learned absolute positions, or rotary ones."
    )
    dropout: Share = Field(0.1, description="Dropout of hidden vectors and attention.")
    norm_epsilon: float = Field(1e-12, gt=0, description="Epsilon of the layer norms.")
    init_std: float = Field(0.02, gt=0, description="Standard deviation of initial weights.")

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.width % self.heads:
            raise ValueError(
                f"`width` {self.width} is not a multiple of `heads` {self.heads}: "
                "every head takes an equal part of the hidden vector"
            )
        if self.positions == "rotary" and (self.width // self.heads) % 2:
            raise ValueError("rotary positions need an even number of dimensions per head")
        return self
