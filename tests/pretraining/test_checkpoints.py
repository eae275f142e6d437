"""Checkpoints: damage is noticed, other runs are not mixed in, the newest are kept."""

import logging
from pathlib import Path

import pytest
import torch

from pipeline_lib.pretraining.checkpoints import Checkpoints


def save(checkpoints: Checkpoints, step: int) -> None:
    checkpoints.save(step, {"step": step}, {"weights": torch.full((4,), float(step))})
    checkpoints.wait()


def read(checkpoints: Checkpoints) -> tuple[int | None, float]:
    found, weights = checkpoints.newest(), torch.zeros(4)
    if found is not None:
        assert checkpoints.numbers(found) == {"step": found}
        checkpoints.load(found, {"weights": weights})
    return found, float(weights[2])


def test_the_newest_are_kept_and_the_newest_is_used(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c", "run", keep=2)
    assert read(checkpoints) == (None, 0.0)
    for step in (5, 10, 15):
        save(checkpoints, step)
    names = sorted(file.name for file in (tmp_path / "c").glob("step-*"))
    assert names == ["step-000000010", "step-000000015"]
    assert read(Checkpoints(tmp_path / "c", "run", keep=2)) == (15, 15.0)


def test_what_is_written_is_what_was_there_when_it_was_asked_for(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c", "run", keep=2)
    weights, numbers = torch.full((200_000,), 3.0), {"step": 1}
    checkpoints.save(1, numbers, {"weights": weights})
    weights.fill_(4.0)
    numbers["step"] = 2
    checkpoints.wait()
    found = torch.zeros(200_000)
    checkpoints.load(1, {"weights": found})
    assert (found == 3.0).all() and checkpoints.numbers(1) == {"step": 1}


@pytest.mark.parametrize("damage", ["cut", "flip", "no checksum", "a file is gone"])
def test_a_damaged_one_is_reported_and_the_one_before_used(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = Checkpoints(tmp_path / "c", "run", keep=3)
    for step in (5, 10):
        save(checkpoints, step)
    newest = tmp_path / "c" / "step-000000010"
    data = newest / "__0_0.distcp"
    content = bytearray(data.read_bytes())
    if damage == "cut":
        data.write_bytes(content[:-10])
    elif damage == "flip":
        content[len(content) // 2] ^= 1
        data.write_bytes(content)
    elif damage == "no checksum":
        (newest / "checksums.json").unlink()
    else:
        (newest / ".metadata").unlink()
    with caplog.at_level(logging.WARNING):
        assert read(checkpoints) == (5, 5.0)
    assert "step-000000010 is damaged" in caplog.text
    save(checkpoints, 10)
    assert read(checkpoints) == (10, 10.0)


def test_leftovers_of_a_kill_are_removed_and_not_used(tmp_path: Path) -> None:
    save(Checkpoints(tmp_path / "c", "run", keep=2), 5)
    (tmp_path / "c" / "step-000000005").rename(tmp_path / "c" / ".step-000000005.part")
    checkpoints = Checkpoints(tmp_path / "c", "run", keep=2)
    assert read(checkpoints) == (None, 0.0)
    assert [file.name for file in (tmp_path / "c").iterdir()] == ["run"]


def test_checkpoints_of_another_run_are_moved_aside(tmp_path: Path) -> None:
    save(Checkpoints(tmp_path / "c", "one", keep=2), 5)
    (tmp_path / "c" / "job.json").write_text("kept by a launcher")
    assert read(Checkpoints(tmp_path / "c", "two", keep=2)) == (None, 0.0)
    assert (tmp_path / "c-one" / "step-000000005").exists()
    assert (tmp_path / "c" / "job.json").exists()
