"""The encoder of a model folder: the vectors of tokens behind any of its layers, pooled."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline_lib.application.embedding.tokens import Window
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.training import preferred_device
from pipeline_lib.models.hyena_language import BothStrands
from pipeline_lib.models.recurrent_memory import RecurrentMemoryModel
from pipeline_lib.pretraining.folder import load_language_model
from pipeline_lib.pretraining.losses import autocast
from pipeline_lib.tokenizer.vocabulary import read_vocabulary

Pooling = Literal["mean", "max", "first", "center", "none"]
Vectors = NDArray[np.float32]
MOST_TOKENS = {"cpu": 16_384, "cuda": 131_072}
"""Tokens, padding included, that are computed at a time, by kind of device."""
WASTE, SMALL = 1.2, 2_048
"""Longest over shortest window of a batch, unless the batch has fewer tokens than this."""


class _Reached(Exception):  # noqa: N818  (nothing is wrong: the layers above are not needed)
    def __init__(self, hidden: Tensor) -> None:
        self.hidden = hidden


class Encoder:
    """Gives the vectors of tokens behind one layer of a model.

    Parameters
    ----------
    folder
        Of a pretrained or a tuned model.
    layer
        0: what enters the first layer; 1 and more: what leaves that layer; negative numbers count
        from the last. Behind the last layer comes the model's final norm, behind others none.
    precision
        ``auto``, ``fp32`` or ``bf16``.

    Raises
    ------
    InputError
        If there is no such layer.
    """

    def __init__(self, folder: Path, layer: int = -1, precision: str = "auto") -> None:
        model, architecture = load_language_model(folder)
        count = architecture.layers
        if not -count - 1 <= layer <= count:
            raise InputError(
                f"there is no layer {layer}: the model has {count}",
                path=folder,
                expected=f"0 (after the embedding of tokens) to {count}, or -1 (the last) to "
                f"{-count - 1}",
                remedy="choose another `--layer`",
            )
        self.layer = layer if layer >= 0 else count + 1 + layer
        self.last = self.layer == count
        if not self.last and isinstance(model, RecurrentMemoryModel):
            raise InputError(
                f"layer {layer} of a model with recurrent memory",
                path=folder,
                expected="its last layer",
                remedy="leave `--layer` out",
            )
        self.device = preferred_device()
        self.encoder: Any = model.encoder.to(self.device).eval()
        self.width: int = self.encoder.width
        self.context_length: int = architecture.input_length
        self.vocabulary = read_vocabulary(folder / "tokenizer.json")
        self.precision = precision
        self.most_tokens = MOST_TOKENS[self.device.type]

    @torch.inference_mode()
    def hidden(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """Return the vectors of tokens, special ones too; (batch, length, width)."""
        with autocast(self.precision, self.device):
            if self.last:
                return self.encoder(tokens, mask)  # type: ignore[no-any-return]
            return self._below(tokens, mask)

    def _below(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """Return what enters a layer; those above it are not computed."""
        inner = self.encoder.strand if isinstance(self.encoder, BothStrands) else self.encoder
        calls = 0

        def look(_: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
            nonlocal calls
            if calls == self.layer:
                raise _Reached(inputs[0])
            calls += 1

        # Layers may be one and the same module, called again and again.
        hooks = [layer.register_forward_pre_hook(look) for layer in set(inner.layers)]
        try:
            self.encoder(tokens, mask)
        except _Reached as reached:
            found = reached.hidden
        finally:
            for hook in hooks:
                hook.remove()
        if isinstance(self.encoder, BothStrands):
            forward, reverse = found.chunk(2)
            return torch.cat([forward, reverse.flip(1, 2)], dim=-1)
        return found

    def batches(self, windows: Sequence[Window]) -> list[list[int]]:
        """Return the numbers of the windows of each batch: of like length, in its order."""
        lengths = [len(window.ids) + 2 for window in windows]
        found: list[list[int]] = []
        for number in sorted(range(len(lengths)), key=lengths.__getitem__):
            if found:
                size = (len(found[-1]) + 1) * lengths[number]
                alike = lengths[number] <= WASTE * lengths[found[-1][0]] or size <= SMALL
                if size <= self.most_tokens and alike:
                    found[-1].append(number)
                    continue
            found.append([number])
        return found

    def vectors(self, windows: Sequence[Window]) -> list[Vectors]:
        """Return the vectors of the tokens of each window, special ones left out.

        Returns
        -------
        list of ndarray
            Shape (tokens, width) each, in the order given.
        """
        found: list[Vectors] = [np.empty(0, np.float32)] * len(windows)
        for batch in self.batches(windows):
            hidden = self.hidden(*self._inputs([windows[number] for number in batch]))
            values = hidden.float().cpu().numpy()
            for row, number in enumerate(batch):
                found[number] = values[row, 1 : 1 + len(windows[number].ids)].copy()
        return found

    @torch.inference_mode()
    def pooled(self, windows: Sequence[Window], pooling: Pooling, places: Sequence[int]) -> Vectors:
        """Return one vector of each window; special tokens and padding do not count.

        Parameters
        ----------
        pooling
            ``mean``, ``max``, ``first``, or ``center``: the token whose number is in ``places``.

        Returns
        -------
        ndarray
            Shape (windows, width).
        """
        found = np.empty((len(windows), self.width), dtype=np.float32)
        for batch in self.batches(windows):
            own = [windows[number] for number in batch]
            hidden = self.hidden(*self._inputs(own)).float()
            if pooling in ("first", "center"):
                tokens = [1 + (places[n] if pooling == "center" else 0) for n in batch]
                index = torch.tensor(tokens, device=hidden.device)
                values = hidden[torch.arange(len(batch), device=hidden.device), index]
            else:
                sizes = torch.tensor([len(window.ids) for window in own], device=hidden.device)
                values = _reduced(hidden[:, 1:-1], sizes, pooling)
            found[batch] = values.cpu().numpy()
        return found

    def _inputs(self, windows: Sequence[Window]) -> tuple[Tensor, Tensor | None]:
        lengths = np.array([len(window.ids) + 2 for window in windows])
        tokens = np.full((len(windows), lengths.max()), self.vocabulary.pad, dtype=np.int64)
        for row, window in enumerate(windows):
            ids = (self.vocabulary.cls, *window.ids.tolist(), self.vocabulary.sep)
            tokens[row, : len(ids)] = ids
        mask = np.arange(lengths.max()) < lengths[:, None]
        return (
            torch.from_numpy(tokens).to(self.device),
            None if mask.all() else torch.from_numpy(mask).to(self.device),
        )


def _reduced(hidden: Tensor, sizes: Tensor, pooling: str) -> Tensor:
    """Return the mean or the maximum of the first ``sizes`` tokens of each row; (batch, width)."""
    known = torch.arange(hidden.shape[1], device=hidden.device) < sizes[:, None]
    if pooling == "max":
        return hidden.masked_fill(~known[..., None], -torch.inf).amax(dim=1)
    return hidden.masked_fill(~known[..., None], 0).sum(dim=1) / sizes[:, None]
