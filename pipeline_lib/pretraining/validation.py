"""The loss on fixed held-out samples with fixed masks."""

import itertools
import math
from collections.abc import Callable, Iterator

from pipeline_lib.errors import InputError
from pipeline_lib.pretraining.examples import Examples
from pipeline_lib.pretraining.training import Training

VALIDATION_BATCH = 64


def validate(training: Training, beat: Callable[[], None] = lambda: None) -> dict[str, float]:
    """Measure the loss on held-out samples, and keep the best weights.

    Parameters
    ----------
    beat
        Called after each batch, to show that something goes on.

    Returns
    -------
    dict
        ``valid_loss`` in nats per predicted token, ``valid_bits_per_base`` over the bases of
        these tokens.

    Raises
    ------
    InputError
        If there is nothing to predict.
    """
    spread, ranks = training.spread, training.ranks
    spread.trained.eval()
    nats, count, bases = 0.0, 0, 0
    lengths = training.objective.vocabulary.lengths
    for own, examples in _turns(training):
        loss = spread.held_out(examples)
        if own:
            nats += loss
            count += len(examples.answers)
            bases += int(lengths[examples.answers].sum())
        beat()
    nats, count, bases = ranks.total([nats, count, bases])
    spread.trained.train()
    if not count:
        raise InputError(
            "there is nothing to predict in the validation split",
            where="corpus.corpora.*.holdouts.valid",
            expected="sequence of A, C, G and T",
            remedy="hold out other contigs or regions for validation",
        )
    return {
        "valid_loss": float(nats / count),
        "valid_bits_per_base": float(nats / math.log(2) / bases),
    }


def _turns(training: Training) -> Iterator[tuple[bool, Examples]]:
    """Yield this process's batches of examples, and whether they are its own.

    All processes take as many turns, since a model in shares needs all of them for each: who has
    nothing left to do reads the last batch once more.
    """
    ranks = training.ranks
    batches = training.validation.spread(training.settings.validation_sequences, VALIDATION_BATCH)
    asked = (training.objective.validation(batch) for batch in batches)
    useful = (examples for examples in asked if len(examples.answers))
    for group in itertools.zip_longest(*[useful] * ranks.count):
        mine = group[ranks.number]
        yield mine is not None, group[0] if mine is None else mine
