"""Integrated gradients of token embeddings (Sundararajan et al. 2017), spread over bases.

The output is followed along the straight path from a baseline to the embeddings of the tokens.
What the tokens add up to is the difference between both ends: it is measured for each sequence,
and the path is cut more finely until they agree.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from pipeline_lib.application.explanation.model import Array, TunedOutput
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.encoding import EncodedExamples, mirrored
from pipeline_lib.models.classifier import SequenceClassifier
from pipeline_lib.models.hyena_language import BothStrands
from pipeline_lib.models.recurrent_memory import RecurrentTransformer
from pipeline_lib.randomness import named_generator
from pipeline_lib.tokenizer.encode import (
    SentenceEncoder,
    encode_sequence,
    load_tokenizer,
    overlap_of,
)
from pipeline_lib.tokenizer.vocabulary import read_vocabulary

BASELINES = ("uniform", "shuffled", "mask")
PROBE = 20_000
"""Random bases whose tokens tell the embedding that random sequence has on average."""
PASS_TOKENS = 32_768
"""Tokens that are followed at a time."""
MOST_STEPS = 1_024


@dataclass(frozen=True)
class Attribution:
    """What integrated gradients say of a sequence.

    Attributes
    ----------
    value, baseline
        What the model says of the sequence, and at the other end of the path.
    bases
        Share of each base in the difference; shape (length,).
    steps
        Points on the path at last.
    """

    value: float
    baseline: float
    bases: Array
    steps: int

    @property
    def error(self) -> float:
        """How far the sum of the bases is from the difference."""
        return float(self.bases.sum() - (self.value - self.baseline))

    def complete(self, tolerance: float) -> bool:
        """Tell whether it is not farther than a share of the difference, or of 1."""
        return abs(self.error) <= tolerance * max(1.0, abs(self.value - self.baseline))


class IntegratedGradients:
    """Attribution by gradients, of one output of a tuned model.

    Parameters
    ----------
    model
        What is explained.
    baseline
        Where the path begins: ``uniform``, the mean embedding of the tokens of random bases;
        ``shuffled``, that of the tokens of the sequence itself, as in all its orders together;
        ``mask``, the embedding of the token that hides others. Tokens that are no bases stay.
    steps
        Points on the path at first: they are doubled, up to 1,024, while the sum is too far off.
    tolerance
        See :meth:`Attribution.complete`.
    seed
        Of the random bases.

    Raises
    ------
    InputError
        If the model cannot be followed along a path of embeddings.
    """

    def __init__(
        self, model: TunedOutput, *, baseline: str, steps: int, tolerance: float, seed: int
    ) -> None:
        classifier = model.scorer.classifier
        memory = isinstance(getattr(classifier, "encoder", None), RecurrentTransformer)
        if not isinstance(classifier, SequenceClassifier) or memory:
            raise InputError(
                "gradients of a model "
                + ("with recurrent memory" if memory else "that is shown examples"),
                expected="a tuned encoder that reads its input at once",
                remedy="take `--method mutagenesis`, which explains every model",
            )
        self.model, self.classifier = model, classifier.eval()
        self.steps, self.tolerance = steps, tolerance
        encoder = classifier.encoder
        self.embedding = (
            encoder.strand.tokens if isinstance(encoder, BothStrands) else encoder.tokens
        )
        self.prompt = classifier.prompt.count if classifier.prompt is not None else 0
        self._tokenizer = load_tokenizer(model.scorer.tokenizer)
        self._word = overlap_of(model.scorer.tokenizer)
        self._vocabulary = read_vocabulary(model.scorer.tokenizer)
        self._start = self._baseline(baseline, seed)

    def attribute(self, row: pd.DataFrame) -> Attribution:
        """Return the attribution of a table of one sequence; of both strands the mean."""
        steps = self.steps
        while True:
            found = self._attribute(row, steps)
            if found.complete(self.tolerance) or steps >= MOST_STEPS:
                return found
            steps = min(2 * steps, MOST_STEPS)

    def _attribute(self, row: pd.DataFrame, steps: int) -> Attribution:
        ends, bases = [], []
        for turned, view in enumerate(self.model.views(row)):
            side = mirrored(row) if turned else row
            start, value, tokens = self._follow(view, steps)
            spread = self._spread(side, view, tokens)
            ends.append((value, start))
            bases.append(spread[::-1] if turned else spread)
        value, start = np.mean(ends, axis=0)
        return Attribution(float(value), float(start), np.mean(bases, axis=0), steps)

    def _follow(self, view: EncodedExamples, steps: int) -> tuple[float, float, Array]:
        """Return the output at both ends, and the attribution of every token; (length,)."""
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        places = np.concatenate([[0.0, 1.0], (nodes + 1) / 2])
        shares = np.concatenate([[0.0, 0.0], weights / 2])
        length = int(view.lengths[0])
        moved = np.zeros(length, dtype=bool)
        moved[1 : 1 + self._own(view)] = True
        total, values = np.zeros(length), []
        size = max(1, PASS_TOKENS // length)
        for first in range(0, len(places), size):
            part = slice(first, first + size)
            value, found = self._pass(view, moved, places[part], shares[part])
            values.append(value)
            total += found
        ends = np.concatenate(values)[:2]
        return float(ends[0]), float(ends[1]), total

    def _pass(
        self, view: EncodedExamples, moved: np.ndarray, places: Array, shares: Array
    ) -> tuple[Array, Array]:
        """Return the outputs at some points of the path, and what they add to each token."""
        device = self.classifier.device
        batch = view.batch(np.zeros(len(places), dtype=np.int64), device)
        path = _Path(
            torch.from_numpy(places).to(device),
            torch.nn.functional.pad(torch.from_numpy(moved).to(device), (self.prompt, 0)),
            self._start,
        )
        with path.laid(self.embedding), torch.enable_grad():
            values = self.model.of_outputs(self.classifier(*batch))
            (slopes,) = torch.autograd.grad(values.sum(), path.point)
        # (rows, length): the slope of each token in the direction of the path
        along = (slopes * path.way).sum(dim=2).double()
        if len(along) > len(places):  # the other strand, read from its end
            along = along[: len(places)] + along[len(places) :].flip(1)
        found = torch.from_numpy(shares).to(device) @ along
        return values.detach().cpu().numpy(), found[self.prompt :].cpu().numpy()

    def _own(self, view: EncodedExamples) -> int:
        """Return how many tokens after the first are of the sequence, not of its partner."""
        tokens = view.tokens[: view.ends[0]].tolist()
        return int(tokens.index(self._vocabulary.sep, 1)) - 1

    def _spread(self, row: pd.DataFrame, view: EncodedExamples, tokens: Array) -> Array:
        """Return the attribution of bases: that of each token in equal parts; (length,)."""
        sequence: str = row["sequence"].iloc[0]
        _, starts = encode_sequence(self._tokenizer, sequence, self._word)
        ends = [*starts[1:], len(sequence)]
        if self._word:
            ends = [min(start + self._word, len(sequence)) for start in starts]
        focus = int(row["focus"].iloc[0]) if "focus" in row else -1
        base = focus if focus >= 0 else len(sequence) // 2
        # Of a sequence that was cropped, the focus tells which tokens are left.
        left_out = int(np.searchsorted(starts, base, side="right")) - int(view.focus[0])
        bases = np.zeros(len(sequence))
        for number in range(self._own(view)):
            start, end = starts[number + left_out], ends[number + left_out]
            bases[start:end] += tokens[number + 1] / max(end - start, 1)
        return bases

    def _baseline(self, kind: str, seed: int) -> Tensor | None:
        """Return the vector at which the path begins; None: that of the sequence itself."""
        if kind not in BASELINES:
            raise InputError(
                f"the baseline is {kind!r}",
                expected=" or ".join(BASELINES),
                remedy="correct `--baseline`",
            )
        weight = self.embedding.weight.detach()
        if kind == "shuffled":
            return None
        if kind == "mask":
            return weight[self._vocabulary.mask]
        letters = named_generator(seed, "explain", "baseline").integers(4, size=PROBE)
        probe = np.frombuffer(b"ACGT", np.uint8)[letters].tobytes()
        tokens = SentenceEncoder(self.model.scorer.tokenizer).encode([probe])[0]
        return weight[torch.from_numpy(tokens.astype(np.int64)).to(weight.device)].mean(dim=0)


class _Path:
    """Points between the baseline and the embeddings of tokens, in place of the embeddings."""

    def __init__(self, places: Tensor, moved: Tensor, start: Tensor | None) -> None:
        self.places, self.moved, self.start = places, moved, start
        self.point = self.way = torch.empty(0)

    @contextmanager
    def laid(self, embedding: nn.Module) -> Iterator[None]:
        """Let an embedding give the points while the block runs."""
        handle = embedding.register_forward_hook(self._replace)
        try:
            yield
        finally:
            handle.remove()

    def _replace(self, module: nn.Module, inputs: Any, found: Tensor) -> Tensor:
        found = found.detach()
        copies = len(found) // len(self.places)
        moved = self.moved.expand(len(self.places), -1)
        moved = torch.cat([moved, moved.flip(1)]) if copies == 2 else moved
        start = self.start
        if start is None:
            shown = moved[..., None].to(found.dtype)
            start = (found * shown).sum(dim=1, keepdim=True) / shown.sum(dim=1, keepdim=True)
        self.way = (found - start) * moved[..., None]
        left = (1 - self.places).repeat(copies)[:, None, None].to(found.dtype)
        self.point = (found - left * self.way).requires_grad_()
        return self.point
