"""Killed at any moment, and while a checkpoint is being written, a run loses next to nothing.

Kills: a few by default, ``CHECKPOINT_KILLS=200`` for many.
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
EVERY = 5


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


@pytest.fixture(scope="module")
def data(make_shards: Callable[..., Path], tokenizer: Path) -> Data:
    return make_shards(30, 120, 4), make_shards(8, 120, 4, seed=1), tokenizer


def test_no_kill_costs_more_than_an_interval(data: Data, tmp_path: Path) -> None:
    chance, directory, steps = random.Random(5), tmp_path / "killed", 20 * KILLS
    known, unfinished, kills = 0, 0, 0
    while kills < KILLS:
        (process,) = processes.start(1, run, data, directory, steps)
        before = last_step(directory)
        while last_step(directory) <= known + 1 and process.is_alive():
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.25))
        if process.is_alive():
            os.kill(process.pid or 0, signal.SIGKILL)
            kills += 1
        process.join()
        reached = max(last_step(directory), before)
        unfinished += bool(list((directory / "checkpoints").glob(".step-*.part")))
        kept = newest(directory)
        # No checkpoint is lost, and the one before the newest is never more than begun anew:
        # what is repeated began with the interval before that of the kill.
        assert kept >= known
        assert reached - kept <= 2 * EVERY, (reached, kept)
        known = kept
        if process.exitcode == 0:
            break
    assert kills >= min(KILLS, 3)
    assert KILLS < 50 or unfinished > 0  # some kills fall into the writing of a checkpoint
    for folder in (directory, tmp_path / "whole"):
        assert processes.run(1, run, data, folder, steps) == [0]
    assert difference(directory, tmp_path / "whole") == 0.0
    assert [line["step"] for line in lines(directory)] == [
        line["step"] for line in lines(tmp_path / "whole")
    ]
