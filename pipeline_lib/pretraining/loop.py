"""The training loop."""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext

from tqdm import tqdm

from pipeline_lib.errors import TrainingError
from pipeline_lib.files import write_text
from pipeline_lib.pretraining.losses import Totals
from pipeline_lib.pretraining.memory import no_memory_left, out_of_memory
from pipeline_lib.pretraining.meter import Journal, Meter
from pipeline_lib.pretraining.optimizer import learning_rate, set_learning_rate
from pipeline_lib.pretraining.parallel import finite, in_parts, seed_step
from pipeline_lib.pretraining.stream import Work
from pipeline_lib.pretraining.training import Training
from pipeline_lib.pretraining.validation import validate
from pipeline_lib.pretraining.watchdog import DATA, SAVING, TRAINING, VALIDATING, Watchdog
from pipeline_lib.progress import progress_bar
from pipeline_lib.stopping import Stopped, TryAgain, stop_signals

logger = logging.getLogger(__name__)


def train(training: Training, meter: Meter, journal: Journal) -> None:
    """Train to the last step; validate, write metrics and checkpoints on the way.

    Raises
    ------
    TrainingError
        If loss or gradient are not finite several times in a row, or memory or disk are used up;
        the last checkpoint is kept.
    Stopped
        After a signal to stop, to any of the processes, once a checkpoint is written.
    TryAgain
        If a process among several has run out of memory: the next attempt takes smaller parts.
    """
    settings, ranks = training.settings, training.ranks
    with ExitStack() as stack:
        stopped = stack.enter_context(stop_signals())
        bar = stack.enter_context(progress_bar("pretraining", total=None, unit="token"))
        dog = stack.enter_context(Watchdog(ranks, settings.stall_minutes).watching())
        works = training.stream.work(training.step, training.objective, settings.data_workers)
        stack.callback(works.close)
        before, begun = training.seconds, time.monotonic()
        while training.done < 1:
            dog.beat(DATA, training.step)
            asked = time.monotonic()
            work = next(works)
            waited = time.monotonic() - asked

            # 1. A step; all processes learn of each other's loss and signals.
            dog.beat(TRAINING)
            rate = _rate(training)
            loss, token_loss, norm, signal = _step(training, work, rate, stopped)
            training.step += 1
            training.seconds = before + _longest(training, time.monotonic() - begun)
            meter.add(work, loss, token_loss, waited)
            _leave_out_bad(training, work, loss, norm, journal)
            last = training.done >= 1

            # 2. Metrics.
            _show(bar, training, work, meter)
            if last or training.step % settings.log_every == 0:
                left = training.seconds / training.done * (1 - training.done)
                journal.write(
                    training.step, **meter.line(), learning_rate=rate, gradient_norm=norm,
                    skipped=training.skipped, bad_steps=training.bad,
                    elapsed=training.seconds, left=left,
                )  # fmt: skip

            # 3. Validation.
            if last or training.step % settings.validate_every == 0:
                paused = time.monotonic()
                _validate(training, journal, lambda: dog.beat(VALIDATING))
                meter.pause(time.monotonic() - paused)

            # 4. A checkpoint, written while the next steps are made.
            if last or signal or training.step % settings.checkpoint_every == 0:
                dog.beat(SAVING)
                training.save()
            if signal and not last:
                training.checkpoints.wait()
                logger.info("stopped by signal %d at step %d", signal, training.step)
                raise Stopped(signal)
        training.checkpoints.wait()


def _step(
    training: Training, work: Work, rate: float, stopped: Callable[[], int]
) -> tuple[float, float, float, int]:
    """Make one optimizer step.

    Returns
    -------
    tuple
        The loss per target, that of tokens alone, the gradient's norm, and the signal to stop
        that one of the processes has got, 0 if none.
    """
    settings, ranks, spread = training.settings, training.ranks, training.spread
    own, empty = work.totals, ~work.examples.targets.any(axis=1)
    weight, numbers, orders, skipped, signal = ranks.total(
        [own.weight, own.numbers, own.orders, int(empty.sum()), stopped()]
    )
    training.skipped += int(skipped)
    totals = Totals(float(weight), float(numbers), float(orders))
    loss, token_loss = _backward(training, work, totals)
    total, tokens = ranks.total([loss, token_loss])
    norm = spread.clip(settings.clip_norm)
    if finite(total, norm):
        set_learning_rate(training.optimizers, rate)
        for optimizer in training.optimizers:
            optimizer.step()
        if training.average is not None:
            training.average.update(spread.trained)
    for optimizer in training.optimizers:
        optimizer.zero_grad(set_to_none=True)
    return float(total), float(tokens), norm, int(signal) and _signal(training, stopped())


def _backward(training: Training, work: Work, totals: Totals) -> tuple[float, float]:
    """Compute gradients; in smaller parts if memory does not suffice."""
    stage = training.stream.stage(training.step)
    fewest = stage.batch_size // training.ranks.count  # inputs of a process; some have one more
    while True:
        seed_step(training.seed, training.step, training.ranks)
        count = min(training.accumulation, max(fewest, 1))
        try:
            return training.spread.backward(in_parts(work.examples, count), totals)
        except (RuntimeError, MemoryError) as error:
            if not no_memory_left(error):
                raise
            if count >= fewest:
                raise out_of_memory() from error
        _use_smaller_parts(training, count)


def _use_smaller_parts(training: Training, count: int) -> None:
    """Compute batches in twice as many parts from now on.

    With several processes the others are in the middle of an exchange: all are started again.
    """
    training.accumulation = 2 * count
    logger.warning(
        "step %d: out of memory; computing each batch in %d parts instead of %d from now on, "
        "which changes no result", training.step + 1, 2 * count, count,
    )  # fmt: skip
    for optimizer in training.optimizers:
        optimizer.zero_grad(set_to_none=True)
    training.spread.free()
    if training.ranks.count > 1:
        write_text(training.checkpoints.directory / "accumulation", f"{2 * count}\n")
        raise TryAgain


def _leave_out_bad(
    training: Training, work: Work, loss: float, norm: float, journal: Journal
) -> None:
    """Write down a step that was left out; stop after too many in a row."""
    if finite(loss, norm):
        training.bad_in_row = 0
        return
    training.bad += 1
    training.bad_in_row += 1
    chosen = work.batch.samples[:3]
    shown = [training.stream.coordinates(training.step - 1, int(s)) for s in chosen]
    own = [f"{s['assembly']} {s['contig']}:{s['start']}-{s['end']}" for s in shown]
    places = "; ".join(place for places in training.ranks.gather(own) for place in places)
    what = f"the loss became {loss}, its gradient {norm}" if finite(loss) else f"the loss is {loss}"
    told = f"{what} at step {training.step}, in a batch with {places}, among others"
    logger.warning("%s; the step is left out", told)
    journal.write(training.step, bad_steps=training.bad)
    if training.bad_in_row > training.settings.max_bad_steps:
        training.checkpoints.wait()
        raise TrainingError(
            f"{told}. It was so {training.bad_in_row} times in a row. The last checkpoint is kept. "
            "To fix: lower `learning_rate` or `clip_norm`, or lengthen `warmup_steps`"
        )


def _validate(training: Training, journal: Journal, beat: Callable[[], None]) -> None:
    average = training.average
    with average.applied(training.spread.trained) if average else nullcontext():
        values = validate(training, beat)
        training.keep_as_best(values["valid_loss"])
    journal.write(training.step, elapsed=training.seconds, **values)
    logger.info("step %d: %.4f bits per base", training.step, values["valid_bits_per_base"])


def _rate(training: Training) -> float:
    settings = training.settings
    return learning_rate(
        training.step,
        peak=settings.learning_rate,
        warmup=settings.warmup_steps,
        total=training.steps,
        schedule=settings.schedule,
        decay_share=settings.decay_share,
    )


def _show(bar: "tqdm[None]", training: Training, work: Work, meter: Meter) -> None:
    bar.update(int(work.batch.lengths.sum()) * training.ranks.count)
    left = training.seconds / max(training.done, 1e-9) * (1 - training.done)
    bar.set_postfix_str(f"step {training.step}, loss {meter.loss:.3f}, {left:.0f} s left", False)


def _longest(training: Training, seconds: float) -> float:
    """Return the time by the clock of process 0, so that all end a run of `minutes` together."""
    if training.settings.minutes is None:
        return seconds
    return training.ranks.gather(seconds)[0]


def _signal(training: Training, own: int) -> int:
    """Return the signal that one of the processes has got."""
    return max(training.ranks.gather(own))
