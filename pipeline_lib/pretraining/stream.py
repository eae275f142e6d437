"""The batches of a training run: a function of the seed and of the number of the step alone.

Inputs may be short at first: at each stage they are twice as long as at the stage before, and half
as many, so that a batch holds as many tokens (Nguyen et al. 2023, section 3.2).
"""

import itertools
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from pipeline_lib.config.pretraining import PretrainingSettings
from pipeline_lib.pretraining.data import Batch, Samples
from pipeline_lib.pretraining.examples import Examples, sample_chances
from pipeline_lib.pretraining.losses import Totals
from pipeline_lib.pretraining.mixture import Mixture
from pipeline_lib.pretraining.objective import Objective
from pipeline_lib.pretraining.ranks import Ranks
from pipeline_lib.tokenizer.vocabulary import Vocabulary

_SHORT, _LENGTH = 12, 13  # streams of chance
SHORTEST = 8


@dataclass(frozen=True, slots=True)
class Stage:
    """Steps with inputs of one length.

    Attributes
    ----------
    first_step
        The first of its steps; it ends where the next stage begins.
    length
        Most tokens of an input, [CLS] and [SEP] included.
    batch_size
        Inputs per step.
    """

    first_step: int
    length: int
    batch_size: int


def plan_stages(settings: PretrainingSettings, length: int) -> list[Stage]:
    """Return the stages of a run whose inputs grow to a length."""
    warmup = settings.length_warmup
    if warmup is None or warmup.start >= length:
        return [Stage(0, length, settings.batch_size)]
    lengths = [warmup.start]
    while lengths[-1] * 2 < length:
        lengths.append(lengths[-1] * 2)
    tokens = settings.batch_size * length
    stages = [
        Stage(warmup.steps * number // len(lengths), short, max(1, tokens // short))
        for number, short in enumerate(lengths)
    ]
    return [*stages, Stage(warmup.steps, length, settings.batch_size)]


@dataclass(frozen=True, slots=True)
class Work:
    """What a process does in a step.

    Attributes
    ----------
    batch
        Its share of the batch.
    examples
        What is asked of it.
    totals
        Of its share: what the loss is divided by is the sum over all processes.
    """

    batch: Batch
    examples: Examples
    totals: Totals


class Stream:
    """The training samples of a run, batch after batch.

    Parameters
    ----------
    shards
        Folders of shards, one for each corpus.
    vocabulary
        Tokens that the shards are written in.
    settings
        Batch size, warm-up of the length, share of short samples.
    length
        Most tokens of an input at the end of the warm-up.
    seed
        Seed of the order.
    weights
        How often each corpus is drawn from; default: equally often.
    ranks
        The processes that share each batch.
    """

    def __init__(
        self,
        shards: Sequence[Path],
        vocabulary: Vocabulary,
        settings: PretrainingSettings,
        length: int,
        seed: int,
        *,
        weights: Sequence[float] | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self.stages = plan_stages(settings, length)
        self._settings, self._vocabulary, self._seed = settings, vocabulary, seed
        self._ranks = ranks or Ranks()
        self._reading = Lock()

        @cache
        def samples(length: int) -> Samples | Mixture:
            masked = settings.repeat_weight != 1.0
            parts = [
                Samples(folder, vocabulary, length, seed, soft_masked=masked) for folder in shards
            ]
            if len(parts) == 1:
                return parts[0]
            return Mixture(parts, weights or [1.0] * len(parts), seed)

        self._samples = samples

    @property
    def samples(self) -> Samples | Mixture:
        """Samples of the full length."""
        return self._samples(self.stages[-1].length)

    def stage(self, step: int) -> Stage:
        """Return the stage that a step belongs to."""
        return next(stage for stage in reversed(self.stages) if stage.first_step <= step)

    def batch(self, step: int) -> Batch:
        """Return this process's share of the batch of a step."""
        stage = self.stage(step)
        begin, end = self._ranks.share(stage.batch_size)
        first = (step - stage.first_step) * stage.batch_size + begin
        with self._reading:
            batch = self._samples(stage.length).batch(first, end - begin)
        return shorten(batch, self._settings.short_share, self._vocabulary, self._seed)

    def work(
        self, first: int, objective: Objective, workers: int = 1
    ) -> Generator[Work, None, None]:
        """Yield the work of all steps from one on; that of the next is made meanwhile.

        Parameters
        ----------
        first
            The first step.
        objective
            What is asked of batches.
        workers
            Threads that make it; what they make is the same for any number.
        """

        def make(step: int) -> Work:
            batch = self.batch(step)
            examples = objective.examples(batch)
            return Work(batch, examples, Totals.of(examples))

        pool = ThreadPoolExecutor(workers, thread_name_prefix="batches")
        upcoming = deque(pool.submit(make, first + ahead) for ahead in range(workers + 1))
        try:
            for step in itertools.count(first + workers + 1):
                ready = upcoming.popleft().result()
                upcoming.append(pool.submit(make, step))
                yield ready
        finally:
            pool.shutdown(cancel_futures=True)

    def coordinates(self, step: int, sample: int) -> dict[str, Any]:
        """Return where in the genome a sample of a step comes from."""
        return self._samples(self.stage(step).length).coordinates(sample)


def shorten(batch: Batch, share: float, vocabulary: Vocabulary, seed: int) -> Batch:
    """Cut a share of the samples to a random length, from 8 tokens to what they have."""
    if not share:
        return batch
    chosen = (sample_chances(batch, seed, _SHORT) < share) & (batch.lengths > SHORTEST)
    span = batch.lengths - SHORTEST + 1
    drawn = SHORTEST + (sample_chances(batch, seed, _LENGTH) * span).astype(np.int64)
    lengths = np.where(chosen, drawn, batch.lengths)
    places = np.arange(batch.tokens.shape[1])
    tokens = np.where(places < lengths[:, None], batch.tokens, vocabulary.pad)
    tokens[np.arange(len(tokens)), lengths - 1] = vocabulary.sep
    masked = batch.soft_masked
    if masked is not None:
        masked = np.where(places < lengths[:, None] - 1, masked, 0).astype(np.float32)
    used = int(lengths.max())
    return Batch(
        tokens[:, :used], lengths, batch.samples, batch.epoch,
        None if masked is None else masked[:, :used],
    )  # fmt: skip
