"""Were the two halves of a sample swapped? (GENA-LM's first models; Lan et al. 2020, section 3.1).

Samples of the shards do not tell where sentences end; a sample is cut at a random token of its
middle half.
"""

import numpy as np
import torch
from torch import Tensor, nn

from pipeline_lib.models.feedforward import initialize
from pipeline_lib.pretraining.data import Batch
from pipeline_lib.pretraining.examples import sample_chances
from pipeline_lib.tokenizer.vocabulary import Vocabulary

_CUT, _SWAP = 10, 11  # streams of chance
SHORTEST = 4


def swap_halves(
    batch: Batch, *, vocabulary: Vocabulary, context_length: int, seed: int
) -> tuple[Batch, "np.ndarray[tuple[int], np.dtype[np.int64]]"]:
    """Return ``[CLS] A [SEP] B [SEP]`` or ``[CLS] B [SEP] A [SEP]``, and which of them each is.

    Where there is no room for another [SEP], the last token is dropped.

    Returns
    -------
    batch
        Samples of fewer than 4 tokens are left as they are.
    swapped
        1 where the halves were swapped, 0 where not, -1 where the sample is too short; (batch,).
    """
    rows, length = batch.tokens.shape
    width = min(length + 1, context_length)
    tokens = np.full((rows, width), vocabulary.pad, dtype=np.int64)
    masked = None if batch.soft_masked is None else np.zeros((rows, width), dtype=np.float32)
    lengths, swapped = batch.lengths.copy(), np.full(rows, -1, dtype=np.int64)
    cut_chance, swap_chance = (sample_chances(batch, seed, stream) for stream in (_CUT, _SWAP))
    for row, end in enumerate(batch.lengths):
        order = np.arange(end)
        count = min(int(end) - 2, width - 3)  # tokens kept
        if count >= SHORTEST:
            cut = 1 + count // 4 + int(cut_chance[row] * (count // 2 + 1))
            first, second = np.arange(1, cut), np.arange(cut, count + 1)
            swapped[row] = swap_chance[row] < 0.5
            if swapped[row]:
                first, second = second, first
            # The closing [SEP] of the sample stands at `end` - 1, and is used twice.
            order = np.concatenate([[0], first, [end - 1], second, [end - 1]])
        tokens[row, : len(order)] = batch.tokens[row, order]
        lengths[row] = len(order)
        if masked is not None and batch.soft_masked is not None:
            masked[row, : len(order)] = batch.soft_masked[row, order]
    used = int(lengths.max())
    cut_masked = None if masked is None else masked[:, :used]
    return Batch(tokens[:, :used], lengths, batch.samples, batch.epoch, cut_masked), swapped


class SentenceOrderHead(nn.Module):
    """A classifier on the vector of [CLS]; used in pretraining alone, not part of the model."""

    def __init__(self, width: int, init_std: float) -> None:
        super().__init__()
        self.pooler = nn.Linear(width, width)
        self.classes = nn.Linear(width, 2)
        initialize(self, init_std)

    def forward(self, first: Tensor) -> Tensor:
        """Return the scores of *as is* and *swapped*; (batch, 2) of (batch, width)."""
        return self.classes(torch.tanh(self.pooler(first)))  # type: ignore[no-any-return]
