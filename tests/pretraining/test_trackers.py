"""What trackers were told is read back from their own files."""

import importlib.util
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline_lib.pretraining.trackers import Trackers

ROOT = Path(__file__).parents[2]


def installed(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        importlib.util.find_spec(name) is None,
        reason=f"{name} is not installed: pip install {name}",
    )


def attempt(directory: Path, names: list[str], first: int, last: int) -> None:
    """Log some steps, two lines of every second one, as training does when it validates."""
    trackers = Trackers(names, directory, "toy")
    for step in range(first, last):
        trackers.log(step, {"step": step, "loss": 1 / step, "note": "text", "bad": None})
        if step % 2 == 0:
            trackers.log(step, {"step": step, "valid_loss": 2 / step})
    trackers.close()


@installed("tensorboard")
def test_tensorboard_shows_one_curve_of_a_run_that_was_continued(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    attempt(tmp_path, ["tensorboard"], 1, 8)
    attempt(tmp_path, ["tensorboard"], 5, 11)  # from the checkpoint of step 4
    events = EventAccumulator(str(tmp_path / "tensorboard" / "toy"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"loss", "valid_loss"}
    curves = {tag: events.Scalars(tag) for tag in ("loss", "valid_loss")}
    assert [event.step for event in curves["loss"]] == list(range(1, 11))
    assert [event.step for event in curves["valid_loss"]] == [2, 4, 6, 8, 10]
    assert all(event.value == pytest.approx(1 / event.step) for event in curves["loss"])


@installed("trackio")
def test_trackio_knows_each_step_of_a_continued_run_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.pretraining.test_trackers import attempt"
    )
    for first, last in ((1, 8), (5, 11)):
        subprocess.run(
            [sys.executable, "-c",
             f"{code}; attempt(Path(sys.argv[1]), ['trackio'], {first}, {last})", str(tmp_path)],
            env={**os.environ, "TRACKIO_DIR": str(tmp_path / "database")},
            cwd=ROOT, check=True, capture_output=True, timeout=300,
        )  # fmt: skip
    (database,) = (tmp_path / "database").glob("*.db")
    with sqlite3.connect(database) as connection:
        rows = connection.execute("select run_name, step, metrics from metrics").fetchall()
    assert {name for name, _, _ in rows} == {"toy"}
    of_training = sorted(step for _, step, metrics in rows if b'"loss"' in metrics)
    of_validation = sorted(step for _, step, metrics in rows if b'"valid_loss"' in metrics)
    assert of_training == list(range(1, 11))
    assert of_validation == [2, 4, 6, 8, 10]


def test_without_trackers_nothing_is_written(tmp_path: Path) -> None:
    attempt(tmp_path, [], 1, 4)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["tensorboard", "trackio"])
def test_a_tracker_that_is_not_installed_is_named(name: str, tmp_path: Path) -> None:
    """In a Python that sees no installed packages at all."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from pathlib import Path; from pipeline_lib.pretraining.trackers import Trackers\n"
        f"Trackers([{name!r}], Path({str(tmp_path)!r}), 'toy')"
    )
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert answer.returncode == 1
    assert f"InputError: pretraining.models.*.trackers: {name} is not installed" in answer.stderr
    assert f"run `pip install {name}`" in answer.stderr
    assert not list(tmp_path.iterdir())
