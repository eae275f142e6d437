"""What happens between two lines of ``metrics.jsonl``, and the lines themselves."""

import json
import logging
import math
import time
from pathlib import Path

import psutil
import torch

from pipeline_lib.models.flops import peak_flops
from pipeline_lib.pretraining.ranks import Ranks
from pipeline_lib.pretraining.stream import Work
from pipeline_lib.pretraining.trackers import Trackers
from pipeline_lib.tokenizer.vocabulary import Vocabulary

logger = logging.getLogger(__name__)
MIB = 2**20


class Meter:
    """Adds up steps, and turns the sum into a line.

    Parameters
    ----------
    ranks
        The processes; figures are those of all of them.
    vocabulary
        To count the bases of tokens.
    flops_per_token
        Operations that training takes for each token.
    """

    def __init__(self, ranks: Ranks, vocabulary: Vocabulary, flops_per_token: float) -> None:
        self._ranks, self._lengths = ranks, vocabulary.lengths
        self._flops = flops_per_token
        cuda = ranks.device.type == "cuda"
        self._peak = peak_flops(torch.cuda.get_device_name(ranks.device)) if cuda else None
        self._reset()

    def add(self, work: Work, loss: float, token_loss: float, waited: float) -> None:
        """Count a step.

        Parameters
        ----------
        work
            This process's share.
        loss, token_loss
            Of the whole batch; nats per target.
        waited
            Seconds until the batch was there.
        """
        if math.isfinite(loss):
            self._loss += loss
            self._token_loss += token_loss
            self._good += 1
        self._steps += 1
        self._waited += waited
        self._tokens += int(work.batch.lengths.sum())
        self._targets += len(work.examples.answers)
        self._bases += int(self._lengths[work.examples.answers].sum())

    def pause(self, seconds: float) -> None:
        """Leave time out of account, such as that of validation."""
        self._begun += seconds

    @property
    def loss(self) -> float:
        """Mean loss since the last line."""
        return self._loss / max(self._good, 1)

    def line(self) -> dict[str, float]:
        """Return the figures since the last line, and begin anew."""
        seconds = time.monotonic() - self._begun
        tokens, targets, bases = self._ranks.total([self._tokens, self._targets, self._bases])
        rate = tokens / max(seconds, 1e-9)
        nats = self._token_loss / max(self._good, 1)
        found = {
            "loss": self.loss,
            "bits_per_base": nats * targets / max(bases, 1) / math.log(2),
            "tokens_per_second": rate,
            "data_wait": self._waited / max(seconds, 1e-9),
            "memory_mb": round(_peak_memory(self._ranks.device) / MIB),
            "seconds": seconds,
        }
        if self._peak is not None:
            found["utilisation"] = rate * self._flops / (self._peak * self._ranks.count)
        self._reset()
        return {name: float(value) for name, value in found.items()}

    def _reset(self) -> None:
        self._begun = time.monotonic()
        self._loss = self._token_loss = self._waited = 0.0
        self._steps = self._good = self._tokens = self._targets = self._bases = 0


class Journal:
    """Writes lines to ``metrics.jsonl`` and to trackers: in the first process alone."""

    def __init__(self, path: Path, ranks: Ranks, trackers: Trackers | None) -> None:
        self._path, self._first, self._trackers = path, ranks.first, trackers

    def write(self, step: int, **values: float) -> None:
        """Write a line."""
        if not self._first:
            return
        with self._path.open("a") as handle:
            handle.write(json.dumps({"step": step, **values}) + "\n")
        if self._trackers is not None:
            self._trackers.log(step, values)

    def close(self) -> None:
        """Let the trackers write what they still hold back."""
        if self._trackers is not None:
            self._trackers.close()


def _peak_memory(device: torch.device) -> int:
    """Return the most bytes held so far on a GPU; on a CPU, those of the process now."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return int(psutil.Process().memory_info().rss)
