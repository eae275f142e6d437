"""What tuned models say of variants: their outputs with either allele (LOGO, Yang et al. 2022).

DIFF is the difference of the probabilities, LFC the change of the log2-odds; both as in LOGO's
published code, which keeps probabilities at 1e-7 at least and adds 1e-12 to what odds are divided
by. Probabilities are those of the model, not of either strand's mean: each strand is compared with
itself first.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.application.scoring.asked import Array, strands
from pipeline_lib.application.scoring.tokens import WindowTokens
from pipeline_lib.application.scoring.windows import Pair
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.encoding import EncodedExamples
from pipeline_lib.finetuning.few_shot import room as room_of
from pipeline_lib.finetuning.few_shot import with_prefix
from pipeline_lib.finetuning.scorer import load_tuned
from pipeline_lib.finetuning.training import mean_scores
from pipeline_lib.pretraining.folder import load_language_model

LEAST, TINY = 1e-7, 1e-12
"""Smallest probability, and what keeps odds finite."""


class TunedScorer:
    """A tuned model as a judge of variants.

    Parameters
    ----------
    model
        Folder with ``head.safetensors``.
    window
        Bases of a window; 0: as many as most sequences had that the model was tuned to, or as fit
        into the context, up to 2,048.

    Attributes
    ----------
    outputs
        Names of what is predicted: of two classes the second alone.
    windows
        How windows are cut and encoded.

    Raises
    ------
    InputError
        If the model needs more than one sequence, or predicts along it.
    """

    def __init__(self, model: Path, *, window: int = 0) -> None:
        self._scorer = load_tuned(model)
        how, target = self._scorer.how, self._scorer.target
        _check_input(model, how.number_count, target.dense, pairs=how.pairs)
        self.outputs = target.names
        self._kept = slice(None)
        if target.kind == "class" and target.outputs == 2:
            self.outputs, self._kept = target.names[1:], slice(1, None)
        self.odds = target.kind != "numbers"
        room = self._scorer.context_length - how.prompt_tokens
        if how.labels:
            room = room_of(self._scorer.context_length, how.shown)
        network, _ = load_language_model(model)
        tokenizer = model / "tokenizer.json"
        self.windows = WindowTokens.of(network, tokenizer, room, window, how.window)
        # Both strands are asked here, one by one.
        self._scorer = replace(self._scorer, how=replace(how, both_strands=False))

    def score(self, pairs: list[Pair]) -> dict[str, Array]:
        """Return the outputs with either allele and what becomes of them.

        Parameters
        ----------
        pairs
            As :meth:`WindowTokens.pair` gives them.

        Returns
        -------
        dict
            ``REF``, ``ALT``: outputs; ``DIFF``: alternative minus reference; ``LFC``: change of
            the log2-odds, not of numbers. Each the mean of both strands; the last two with
            their absolute difference as ``..._SPREAD``. Shape (variants, outputs).
        """
        wanted: dict[tuple[bytes, int], int] = {}
        index = np.empty((len(pairs), 2, 2), dtype=np.int64)
        for row, pair in enumerate(pairs):
            for strand, reading in enumerate(pair):
                for side, text in enumerate((reading.reference, reading.alternative)):
                    key = text, reading.focus
                    index[row, strand, side] = wanted.setdefault(key, len(wanted))
        outputs = self._outputs(list(wanted))
        before, after = outputs[index[:, :, 0]], outputs[index[:, :, 1]]  # (variants, 2, outputs)
        values = {"REF": before, "ALT": after, "DIFF": after - before}
        if self.odds:
            values["LFC"] = _log_odds(after) - _log_odds(before)
        found = strands(values)
        return {name: found[name] for name in found if name[:3] not in ("REF", "ALT")} | {
            name: found[name] for name in ("REF", "ALT")
        }

    def _outputs(self, windows: list[tuple[bytes, int]]) -> Array:
        """Return the outputs for windows with the base they are about; (windows, outputs)."""
        if not windows:
            return np.empty((0, len(self.outputs)))
        vocabulary = self.windows.vocabulary
        tokens, focus = [], []
        for ids, (_, base) in zip(
            self.windows.encode([text for text, _ in windows]), windows, strict=True
        ):
            holder = np.searchsorted(self.windows.starts(ids), base, side="right") - 1
            focus.append(int(holder) + 1)
            tokens.append(np.concatenate([[vocabulary.cls], ids, [vocabulary.sep]]))
        encoded = EncodedExamples(
            np.concatenate(tokens).astype(np.int32),
            np.cumsum([len(ids) for ids in tokens]),
            np.array(focus, dtype=np.int64),
            np.empty((len(windows), 0), dtype=np.float32),
            np.empty((len(windows), 0), dtype=np.float32),
            vocabulary.pad,
        )
        if self._scorer.how.prefix:
            encoded = with_prefix(encoded, self._scorer.how.prefix)
        scorer = self._scorer
        found: NDArray[np.float64] = mean_scores(
            scorer.classifier, scorer.objective, encoded, precision=scorer.how.precision
        )
        return np.asarray(found, dtype=np.float64)[:, self._kept]


def _log_odds(probabilities: Array) -> Array:
    kept = probabilities.clip(LEAST, 1.0)
    return np.asarray(np.log2(kept / (1 - kept + TINY)))


def _check_input(model: Path, numbers: int, dense: bool, *, pairs: bool) -> None:
    if pairs:
        raise InputError(
            "the model was tuned with pairs of sequences, and a variant lies in one",
            path=model,
            expected="a model of single sequences",
            remedy="give another model",
        )
    if numbers:
        raise InputError(
            f"the model was tuned with {numbers} numbers beside each sequence, which variants "
            "do not come with",
            path=model,
            expected="a model of sequence alone",
            remedy="tune one without `numbers`",
        )
    if dense:
        raise InputError(
            "the model predicts along the sequence, not of a window as a whole",
            path=model,
            expected="a model of classes, labels or numbers of whole sequences",
            remedy="draw its tracks with `dnalm annotate`, or give another model",
        )
