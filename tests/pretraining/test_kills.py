"""Killed at any moment, a run loses next to nothing.

Kills: a few by default, ``CHECKPOINT_KILLS=200`` for many. Of many, some must have fallen into the
writing of a checkpoint.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline_lib.pretraining.checkpoints import Checkpoints
from tests.pretraining import processes
from tests.pretraining.toys import Data, difference, lines, train

KILLS = int(os.environ.get("CHECKPOINT_KILLS", "3"))
MANY = 40
EVERY, STEPS = 5, 60


def run(data: Data, directory: Path, steps: int) -> None:
    train(data, directory, "bert", steps=steps, checkpoint_every=EVERY, log_every=1)


def newest(directory: Path) -> int:
    """Return the step of the newest checkpoint that is whole, 0 if there is none."""
    folder = directory / "checkpoints"
    if not (folder / "run").exists():
        return 0
    return Checkpoints(folder, (folder / "run").read_text().strip(), keep=2).newest() or 0


def last_step(directory: Path) -> int:
    file = directory / "checkpoints" / "metrics.jsonl"
    whole = file.read_text().split("\n")[:-1] if file.exists() else []
    return max((int(line.split('"step": ')[1].split(",")[0]) for line in whole), default=0)


def changed(directory: Path) -> int:
    """Return when the metrics of a run last changed, 0 if there are none."""
    file = directory / "checkpoints" / "metrics.jsonl"
    return file.stat().st_mtime_ns if file.exists() else 0


@pytest.fixture(scope="module")
def data(make_shards: Callable[..., Path], tokenizer: Path) -> Data:
    return make_shards(30, 120, 4), make_shards(8, 120, 4, seed=1), tokenizer


def test_no_kill_costs_more_than_an_interval(data: Data, tmp_path: Path) -> None:
    chance, kills, unfinished, runs = random.Random(5), 0, 0, 0
    assert processes.run(1, run, data, tmp_path / "whole", STEPS) == [0]
    while kills < KILLS:
        directory = tmp_path / f"killed-{runs}"
        found, half_written = kill_until_done(data, directory, chance, KILLS - kills)
        kills, unfinished, runs = kills + found, unfinished + half_written, runs + 1
        assert processes.run(1, run, data, directory, STEPS) == [0]
        assert difference(directory, tmp_path / "whole") == 0.0
        steps = [[line["step"] for line in lines(tmp_path / name)] for name in (directory, "whole")]
        assert steps[0] == steps[1]
    print(f"{kills} kills in {runs} runs, {unfinished} of them while a checkpoint was written")
    assert unfinished > 0 or kills < MANY


def kill_until_done(
    data: Data, directory: Path, chance: random.Random, most: int
) -> tuple[int, int]:
    """Start a run and kill it, again and again.

    Returns
    -------
    tuple
        How often it was killed, and how often while it wrote a checkpoint.
    """
    known, kills, unfinished = 0, 0, 0
    while kills < most:
        before = changed(directory)
        (process,) = processes.start(1, run, data, directory, STEPS)
        begun = False  # it first takes back what is to be repeated, then goes on
        while process.is_alive() and not (begun and last_step(directory) > known):
            begun = begun or changed(directory) != before
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.6))
        if process.is_alive():
            os.kill(process.pid or 0, signal.SIGKILL)
            kills += 1
        process.join()
        # Before anything else: what opens the checkpoints clears away what was half written.
        half_written = any((directory / "checkpoints").glob(".step-*.part"))
        unfinished += half_written
        if process.exitcode == 0:
            break
        reached, kept = last_step(directory), newest(directory)
        # No checkpoint is lost, and no more than an interval is repeated; with one just being
        # written (or about to be: a step), what has been done meanwhile comes on top.
        assert kept >= known
        most_repeated = 2 * EVERY if half_written else EVERY + 1
        assert reached - kept <= most_repeated, (reached, kept, half_written)
        known = kept
    return kills, unfinished
