"""What a model of the next token thinks of held-out windows."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline_lib.evaluation.windows import Window, batches
from pipeline_lib.models.build import LanguageModel
from pipeline_lib.progress import progress_bar
from pipeline_lib.tokenizer.vocabulary import Vocabulary

BATCH_TOKENS = 4_096

Array = NDArray[np.float64]
Measure = Callable[[torch.Tensor, NDArray[np.int64], int], Array]


@torch.inference_mode()
def next_token_bits(
    network: LanguageModel,
    windows: list[Window],
    vocabulary: Vocabulary,
    measure: Measure | None = None,
) -> list[Array]:
    """Return -log2 of the probability of every token of every window, given those before it.

    The first token of a window is predicted from [CLS] alone. Probabilities are over ordinary
    tokens: a model is not charged for what it thinks of [PAD].

    Parameters
    ----------
    measure
        What to take from the logits of some tokens, given the true ones and the id of the first
        ordinary token; :func:`surprise` if None.

    Returns
    -------
    list of ndarray
        For each window, shape (length,).
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device).eval()
    bits = [np.empty(0)] * len(windows)
    total = sum(len(window.tokens) for window in windows)
    with progress_bar("bits per base", total=total, unit="token") as bar:
        for indices in batches(windows, BATCH_TOKENS):
            batch = [windows[index].tokens for index in indices]
            width = max(map(len, batch)) + 1
            tokens = np.full((len(batch), width), vocabulary.pad, dtype=np.int64)
            tokens[:, 0] = vocabulary.cls
            for row, window in enumerate(batch):
                tokens[row, 1 : len(window) + 1] = window
            inputs = torch.from_numpy(tokens).to(device)
            ends = torch.tensor([len(window) for window in batch], device=device)
            targets = torch.arange(width, device=device) < ends[:, None]
            shown = torch.arange(width, device=device) <= ends[:, None]
            ragged = None if bool(shown.all()) else shown
            logits = network(inputs, ragged, targets).float()
            found = (measure or surprise)(logits, np.concatenate(batch), vocabulary.first)
            for index, part in zip(
                indices, np.split(found, np.cumsum([len(w) for w in batch])[:-1]), strict=True
            ):
                bits[index] = part
            bar.update(sum(map(len, batch)))
    return bits


def surprise(logits: torch.Tensor, truth: NDArray[np.int64], first: int) -> Array:
    """Return -log2 p of the true tokens; NaN for special tokens, which are never predicted."""
    ordinary = torch.log_softmax(logits[:, first:].double(), dim=1)
    column = torch.from_numpy(np.maximum(truth - first, 0)).to(logits.device)
    chosen = ordinary.gather(1, column[:, None])[:, 0].cpu().numpy()
    return np.where(truth >= first, -chosen / np.log(2), np.nan)


def guessed(logits: torch.Tensor, truth: NDArray[np.int64], first: int) -> Array:
    """Return 1 where the true token is the most probable ordinary one, and 0 elsewhere."""
    best = logits[:, first:].argmax(dim=1).cpu().numpy() + first
    return np.asarray(best == truth, dtype=np.float64)
