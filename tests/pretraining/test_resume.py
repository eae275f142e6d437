"""20 steps at once are 11, a kill and 9, bit for bit, for every family; other ways to stop."""

import ctypes
import logging
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline_lib.pretraining import loop
from pipeline_lib.pretraining.checkpoints import Checkpoints
from pipeline_lib.pretraining.parallel import Spread
from pipeline_lib.pretraining.stream import Stream
from tests.pretraining import processes
from tests.pretraining.test_losses import SHAPES
from tests.pretraining.toys import Data, difference, lines, train, train_all, weights

KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def data(make_shards: Callable[..., Path], tokenizer: Path) -> Data:
    return make_shards(30, 120, 4), make_shards(8, 120, 4, seed=1), tokenizer


def die_at_a_checkpoint(data: Data, directory: Path, name: str, changes: dict[str, Any]) -> None:
    """Train, and be killed at once when the first checkpoint is on the disk."""
    save = Checkpoints.save

    def save_and_die(self: Checkpoints, *state: Any) -> None:
        save(self, *state)
        self.wait()
        os.kill(os.getpid(), signal.SIGKILL)

    Checkpoints.save = save_and_die  # type: ignore[method-assign]
    train(data, directory, name, **changes)


@pytest.fixture(scope="module")
def undisturbed(data: Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("undisturbed")
    train_all(data, directory, [(name, {}) for name in SHAPES])
    return directory


@pytest.mark.parametrize("name", SHAPES)
def test_eleven_steps_a_kill_and_nine_are_twenty(
    name: str, data: Data, undisturbed: Path, tmp_path: Path
) -> None:
    assert processes.run(1, die_at_a_checkpoint, data, tmp_path, name, {}) == [KILLED]
    assert not (tmp_path / "model").exists()
    train(data, tmp_path, name, data_workers=3)
    whole = undisturbed / str(list(SHAPES).index(name))
    assert difference(tmp_path, whole) == 0.0
    assert same_lines(tmp_path) == same_lines(whole)


def same_lines(directory: Path) -> list[list[float | None]]:
    """Return what must be the same; a line just after a kill is about fewer steps."""
    keys = ("step", "loss", "valid_loss", "gradient_norm", "learning_rate")
    return [[line.get(key) for key in keys] for line in lines(directory) if line["step"] != 12]


MUON = {"optimizer": "muon", "average_decay": 0.9, "schedule": "warmup_stable_decay"}


def test_so_it_is_with_muon_and_a_mean_of_the_weights(data: Data, tmp_path: Path) -> None:
    train(data, tmp_path / "whole", "bert", **MUON)
    assert processes.run(1, die_at_a_checkpoint, data, tmp_path / "a", "bert", MUON) == [KILLED]
    train(data, tmp_path / "a", "bert", **MUON)
    assert difference(tmp_path / "a", tmp_path / "whole") == 0.0


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_a_run_goes_on_with_as_many_processes_or_fewer(
    parallel: str, data: Data, undisturbed: Path, tmp_path: Path
) -> None:
    changes = {"parallel": parallel}
    arguments = ("bert", changes)
    two, one = tmp_path / "two", tmp_path / "one"
    for folder in (two, one):
        assert processes.run(2, die_at_a_checkpoint, data, folder, *arguments) == [KILLED] * 2
    assert processes.run(2, go_on, data, two, *arguments) == [0, 0]
    train(data, one, "bert")
    if parallel == "ddp":
        assert processes.run(2, go_on, data, tmp_path / "whole", *arguments) == [0, 0]
        assert difference(two, tmp_path / "whole") == 0.0
    assert difference(one, undisturbed / "0") < 1e-5
    assert difference(two, undisturbed / "0") < 1e-5


def go_on(data: Data, directory: Path, name: str, changes: dict[str, Any]) -> None:
    train(data, directory, name, **changes)


def slowly(data: Data, directory: Path, name: str) -> None:
    genuine = Stream.work

    def work(self: Stream, *arguments: Any) -> Any:
        for found in genuine(self, *arguments):
            time.sleep(0.05)
            yield found

    Stream.work = work  # type: ignore[method-assign]
    train(data, directory, name, checkpoint_every=1000)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT])
def test_a_signal_to_one_process_makes_all_save_and_end(
    number: signal.Signals, data: Data, undisturbed: Path, tmp_path: Path
) -> None:
    count = 2 if number == signal.SIGUSR2 else 1
    started = processes.start(count, slowly, data, tmp_path, "hyena")
    deadline = time.monotonic() + 300
    while not (tmp_path / "checkpoints" / "metrics.jsonl").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(started[-1].pid or 0, number)
    for process in started:
        process.join(60)
    assert [process.exitcode for process in started] == [128 + number] * count
    saved = list((tmp_path / "checkpoints").glob("step-*"))
    assert len(saved) == 1 and 4 <= int(saved[0].name.removeprefix("step-")) < 20
    train(data, tmp_path, "hyena")
    whole = undisturbed / str(list(SHAPES).index("hyena"))
    assert difference(tmp_path, whole) < (1e-5 if count > 1 else 1e-30)


def on_a_full_disk(data: Data, directory: Path) -> None:
    """Train; when the first checkpoint is written, no file may grow any more."""
    logging.basicConfig(filename=directory / "log")
    save = Checkpoints.save

    def save_and_fill(self: Checkpoints, step: int, *state: Any) -> None:
        if step > 5:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
        save(self, step, *state)
        self.wait()

    Checkpoints.save = save_and_fill  # type: ignore[method-assign]
    try:
        train(data, directory, "bert", checkpoint_every=5)
    except Exception as error:
        (directory / "error").write_text(f"{type(error).__name__}: {error}")
        raise SystemExit(3) from error


def test_on_a_full_disk_the_last_good_checkpoint_stays(
    data: Data, undisturbed: Path, tmp_path: Path
) -> None:
    assert processes.run(1, on_a_full_disk, data, tmp_path) == [3]
    said = (tmp_path / "error").read_text()
    assert said.startswith("TrainingError: the checkpoint of step 10 could not be written")
    assert "the newest good one is of step 5" in said and "Free some space" in said
    found = [path.name for path in (tmp_path / "checkpoints").iterdir()]
    assert sorted(found) == ["metrics.jsonl", "run", "step-000000005"]
    train(data, tmp_path, "bert", checkpoint_every=5)
    assert difference(tmp_path, undisturbed / "0") == 0.0


def test_a_step_that_is_not_finite_is_left_out_and_written_down(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    genuine, steps = Spread.backward, []

    def poisoned(self: Spread, *arguments: Any) -> tuple[float, float]:
        steps.append(len(steps) + 1)
        found = genuine(self, *arguments)
        if steps[-1] in (5, 6, 9):
            grad = self.trained.model.encoder.tokens.weight.grad
            assert grad is not None
            grad[0] = torch.nan
        return found

    monkeypatch.setattr(Spread, "backward", poisoned)
    with caplog.at_level(logging.WARNING):
        train(data, tmp_path, "bert")
    assert len(steps) == 20
    assert [line["step"] for line in lines(tmp_path) if line.keys() == {"step", "bad_steps"}] == [
        5, 6, 9
    ]  # fmt: skip
    assert lines(tmp_path)[-2]["bad_steps"] == 3
    assert "at step 5, in a batch with toy chr1:" in caplog.text and "left out" in caplog.text
    state = Checkpoints(tmp_path / "checkpoints", "other", keep=1)
    assert state.newest() is None  # moved aside: those of another run
    assert all(torch.isfinite(w).all() for w in weights(tmp_path).values())


def hang_at_step_three(data: Data, directory: Path) -> None:
    number = os.environ["RANK"]
    logging.basicConfig(filename=directory / f"log-{number}")
    genuine = Stream.batch

    def batch(self: Stream, step: int) -> Any:
        if step >= 3 and number == "1":
            time.sleep(600)
        return genuine(self, step)

    Stream.batch = batch  # type: ignore[method-assign]
    train(data, directory / "run", "bert", stall_minutes=0.05)


def test_a_process_that_hangs_is_named(data: Data, tmp_path: Path) -> None:
    begun = time.monotonic()
    codes = processes.run(2, hang_at_step_three, data, tmp_path)
    assert time.monotonic() - begun < 300 and 0 not in codes
    said = (tmp_path / "log-1").read_text() + (tmp_path / "log-0").read_text()
    assert "behind, at step 3, waiting for data: process 1 on" in said


def with_little_memory(data: Data, directory: Path, room: int) -> None:
    """Train; in the third step there are no more than so many bytes beyond what is held."""
    logging.basicConfig(filename=directory / "log", level=logging.INFO)
    # Every tensor gets memory of its own, and gives it back: what is held is what is in use.
    map_threshold = -3
    ctypes.CDLL(None).mallopt(map_threshold, 65536)
    genuine, unlimited = loop._step, resource.RLIM_INFINITY

    def step(*arguments: Any) -> Any:
        if arguments[0].step == 2:
            held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (held + room, unlimited))
        done = genuine(*arguments)
        resource.setrlimit(resource.RLIMIT_AS, (unlimited, unlimited))
        return done

    loop._step = step
    train(data, directory / "run", "modernbert", batch_size=600, steps=3, accumulation=1)


def test_without_memory_a_batch_is_computed_in_smaller_parts(data: Data, tmp_path: Path) -> None:
    assert processes.run(1, with_little_memory, data, tmp_path, 20 * 2**20) == [0]
    assert "out of memory; computing each batch in 2 parts" in (tmp_path / "log").read_text()
    train(data, tmp_path / "free", "modernbert", batch_size=600, steps=3, accumulation=1)
    assert difference(tmp_path / "run", tmp_path / "free") < 1e-5
