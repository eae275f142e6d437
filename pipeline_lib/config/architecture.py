"""What a model looks like: the keys of ``config/models/*.yaml``."""

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline_lib.config.base import Section, Share
from pipeline_lib.config.memory import Memory


class Architecture(Section):
    """Shape of a Transformer (Devlin et al. 2019; Xiong et al. 2020 for `norm: pre`)."""

    family: Literal["bert", "modernbert", "bigbird", "albert", "gpt2"] = Field(
        "bert",
        description="Class of `transformers` that holds the model, where its shape fits: BERT, "
        "ModernBERT (ModernGENA), BigBird, ALBERT (LOGO) or GPT-2 (DNAGPT).",
    )
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
    embedding_norm: bool = Field(True, description="Layer norm of the embeddings; GPT-2 has none.")
    first_norm: bool = Field(
        True, description="A norm before the first attention (`norm: pre`); ModernBERT has none."
    )
    bias: bool = Field(
        True, description="Biases in linear layers and norms; ModernBERT and DNAGPT have none."
    )
    positions: Literal["learned", "rotary", "sinusoid"] = Field(
        "learned", description="Learned absolute positions, rotary ones, or fixed sinusoids."
    )
    rotary_theta: float = Field(10_000.0, gt=0, description="Base of the rotary frequencies.")
    rotary_theta_local: float | None = Field(
        None, gt=0, description="The same in layers with a local window; default: `rotary_theta`."
    )
    rotary_width: int | None = Field(
        None, ge=2, description="Rotated dimensions of each head; default: all of them."
    )
    attention: Literal["full", "local", "sparse", "causal"] = Field(
        "full",
        description="What a token sees: everything; a local window, everything in every "
        "`global_every`-th layer (ModernBERT); blocks (BigBird); the tokens before it (GPT).",
    )
    local_window: int = Field(
        128, ge=2, description="Window of local attention: half of it on either side of a token."
    )
    global_every: int = Field(
        3, ge=1, description="Every n-th layer, from the first on, is full among local ones."
    )
    block_size: int = Field(64, ge=1, description="Tokens in a block of sparse attention.")
    window_blocks: int = Field(3, ge=1, description="Neighbouring blocks seen, its own included.")
    global_blocks: int = Field(2, ge=1, description="Blocks that see all and are seen by all.")
    global_place: Literal["ends", "start"] = Field(
        "ends", description="Global blocks at both ends (`transformers`) or the start (DeepSpeed)."
    )
    random_blocks: int = Field(3, ge=0, description="Blocks seen besides, drawn by lot.")
    random_layout: Literal["per-head", "shared", "first"] = Field(
        "per-head",
        description="Lots drawn for each head, or once for all heads of a layer; `first`: the "
        "first block again instead, as `transformers` does outside training.",
    )
    random_seed: int = Field(0, ge=0, description="Seed of the random blocks.")
    feedforward: Literal["mlp", "gated", "conv"] = Field(
        "mlp",
        description="Two linear layers; the same with a gate (GeGLU, ModernBERT); or one "
        "convolution over 3 tokens (LOGO), which has no `feedforward_width`.",
    )
    activation: Literal["gelu", "gelu_tanh"] = Field(
        "gelu", description="GELU, or its tanh approximation (GPT-2, BigBird)."
    )
    share_layers: bool = Field(False, description="All layers have the same weights (ALBERT).")
    embedding_width: int | None = Field(
        None, ge=1, description="Size of the embeddings (ALBERT); default: `width`."
    )
    embedding_kernels: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (), description="Convolutions of these widths, summed, on token embeddings (LOGO: 2, 3, 5)."
    )
    tracks: int = Field(0, ge=0, description="Annotation tracks, each 0 or 1 at a token (LOGO).")
    numbers: bool = Field(
        False, description="Numbers in the input and a head that predicts one (DNAGPT)."
    )
    output: Literal["tied", "mlp"] = Field(
        "tied",
        description="Output matrix: that of the embeddings, or a perceptron of its own (DNAGPT).",
    )
    memory: Memory | None = Field(
        None,
        description="Read long inputs segment by segment, with memory that carries on; "
        "`context_length` is then the length of a segment.",
    )
    dropout: Share = Field(0.1, description="Dropout of hidden vectors and attention.")
    norm_epsilon: float = Field(1e-12, gt=0, description="Epsilon of the layer norms.")
    init_std: float = Field(0.02, gt=0, description="Standard deviation of initial weights.")
    scaled_init: bool = Field(
        False,
        description="Smaller initial weights, by sqrt(2 x `layers`), where a block joins the "
        "residual stream (GPT-2, GENA-LM).",
    )
    published_vocabulary: int | None = Field(
        None,
        ge=1,
        description="Tokens of the published model, of which `dnalm models` tells the size; in a "
        "run the tokenizer decides.",
    )

    @property
    def input_length(self) -> int:
        """Most tokens of one input, [CLS] and the last [SEP] included."""
        if self.memory is not None:
            return self.memory.input_length(self.context_length)
        return self.context_length

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for problem in (*self._shape_problems(), *self._attention_problems()):
            raise ValueError(problem)
        if self.memory is not None:
            for problem in self.memory.problems(
                self.context_length, causal=self.attention == "causal", tracks=self.tracks > 0
            ):
                raise ValueError(problem)
        return self

    def _shape_problems(self) -> Iterator[str]:
        if self.width % self.heads:
            yield (
                f"`width` {self.width} is not a multiple of `heads` {self.heads}: "
                "every head takes an equal part of the hidden vector"
            )
        turned = self.rotary_width or self.width // self.heads
        if self.positions == "rotary" and turned % 2:
            yield "rotary positions need an even number of dimensions per head"
        if self.positions == "rotary" and turned > self.width // self.heads:
            yield f"`rotary_width` {turned} is more than a head has: {self.width // self.heads}"
        if self.positions != "rotary" and (self.rotary_width or self.rotary_theta_local):
            yield "`rotary_width` and `rotary_theta_local` need `positions: rotary`"
        if not self.first_norm and self.norm == "post":
            yield "`first_norm: false` needs `norm: pre`: otherwise no norm precedes attention"

    def _attention_problems(self) -> Iterator[str]:
        causal = self.attention == "causal"
        if self.attention == "local" and self.local_window % 2:
            yield f"`local_window` {self.local_window} is odd: half of it lies on either side"
        if self.rotary_theta_local and self.attention != "local":
            yield "`rotary_theta_local` needs `attention: local`: no other has local layers"
        if self.attention == "local" and self.share_layers:
            yield "`share_layers` excludes `attention: local`, whose layers differ"
        if self.attention == "sparse" and self.window_blocks % 2 == 0:
            yield f"`window_blocks` {self.window_blocks} is even: a block is amid its neighbours"
        if causal and (self.feedforward == "conv" or self.embedding_kernels):
            yield "`attention: causal` excludes convolutions: they see the tokens to come"
        if causal and self.embedding_width is not None:
            yield "`attention: causal` excludes `embedding_width`: its output has no such layer"
        if not causal and (self.numbers or self.output == "mlp"):
            yield "`numbers` and `output: mlp` need `attention: causal`"
        if (self.family == "gpt2") != causal:
            yield "`family: gpt2` and `attention: causal` belong together"
