"""Recurrent memory: the keys of the section ``memory`` of an architecture."""

from collections.abc import Iterator

from pydantic import Field

from pipeline_lib.config.base import Section


class Memory(Section):
    """Inputs read segment by segment, with vectors that carry on (Bulatov et al. 2022)."""

    tokens: int = Field(
        10,
        ge=0,
        description="Memory vectors; 0 makes the segments independent, and leaves out the [SEP] "
        "between memory and tokens.",
    )
    segments: int = Field(4, ge=1, description="Most segments of an input.")
    depth: int = Field(
        0,
        ge=0,
        description="Segments through which gradients flow back; 0: through all. Memory of the "
        "GPU grows with it, and not with `segments`.",
    )
    checkpointing: bool = Field(
        False,
        description="Recompute segments in the backward pass: less memory, a third more time.",
    )

    @property
    def head(self) -> int:
        """Tokens of a segment before its part of the input: [CLS], memory and [SEP]."""
        return self.tokens + 2 if self.tokens else 1

    def room(self, context_length: int) -> int:
        """Return how many tokens of the input fit into a segment of so many tokens."""
        return context_length - self.head - 1

    def input_length(self, context_length: int) -> int:
        """Return the most tokens of an input, its [CLS] and last [SEP] included."""
        return self.segments * self.room(context_length) + 2

    def problems(self, context_length: int, *, causal: bool, tracks: bool) -> Iterator[str]:
        """Yield what in an architecture does not go with memory."""
        if self.room(context_length) < 1:
            yield (
                f"`memory.tokens` {self.tokens} leaves no room in a segment of `context_length` "
                f"{context_length}: it also holds [CLS], two [SEP] and tokens"
            )
        if causal:
            yield "`memory` excludes `attention: causal`: a segment begins with what is to be read"
        if tracks:
            yield "`memory` excludes `tracks`: memory vectors have no annotation"
