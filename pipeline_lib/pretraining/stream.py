"""The batches of a training run: a function of the seed and of the number of the step alone.

Inputs may be short at first: at each stage they are twice as long as at the stage before, and half
as many, so that a batch holds as many tokens (Nguyen et al. 2023, section 3.2).
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pipeline_lib.config.pretraining import PretrainingSettings
from pipeline_lib.pretraining.data import Batch, Samples
from pipeline_lib.pretraining.examples import sample_chances
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


class Stream:
    """The training samples of a run, batch after batch.

    Parameters
    ----------
    shards
        Folder of shards.
    vocabulary
        Tokens that the shards are written in.
    settings
        Batch size, warm-up of the length, share of short samples.
    length
        Most tokens of an input at the end of the warm-up.
    seed
        Seed of the order.
    """

    def __init__(
        self,
        shards: Path,
        vocabulary: Vocabulary,
        settings: PretrainingSettings,
        length: int,
        seed: int,
    ) -> None:
        self.stages = plan_stages(settings, length)
        self._settings, self._vocabulary, self._seed = settings, vocabulary, seed

        @cache
        def samples(length: int) -> Samples:
            masked = settings.repeat_weight != 1.0
            return Samples(shards, vocabulary, length, seed, soft_masked=masked)

        self._samples = samples

    @property
    def samples(self) -> Samples:
        """Samples of the full length."""
        return self._samples(self.stages[-1].length)

    def stage(self, step: int) -> Stage:
        """Return the stage that a step belongs to."""
        return next(stage for stage in reversed(self.stages) if stage.first_step <= step)

    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""
        stage = self.stage(step)
        begin = (step - stage.first_step) * stage.batch_size
        batch = self._samples(stage.length).batch(begin, stage.batch_size)
        return shorten(batch, self._settings.short_share, self._vocabulary, self._seed)

    def batches(self, first: int) -> Iterator[Batch]:
        """Yield the batches of all steps from one on; the next is made while one is used."""
        with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
            upcoming = pool.submit(self.batch, first)
            step = first
            while True:
                batch = upcoming.result()
                step += 1
                upcoming = pool.submit(self.batch, step)
                yield batch

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
