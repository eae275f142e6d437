"""Checkpoints: damage is noticed, other runs are not mixed in, the newest are kept."""

import logging
from pathlib import Path

import pytest
import torch

from pipeline_lib.pretraining.checkpoints import Checkpoints, fingerprint


def state(value: float) -> dict[str, torch.Tensor]:
    return {"weights": torch.full((4,), value)}


def test_the_newest_are_kept_and_the_newest_is_used(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c", "run", keep=2)
    assert checkpoints.load() is None
    for step in (5, 10, 15):
        checkpoints.save(step, state(step))
    names = sorted(file.name for file in (tmp_path / "c").glob("*.pt"))
    assert names == ["step-000000010.pt", "step-000000015.pt"]
    found = Checkpoints(tmp_path / "c", "run", keep=2).load()
    assert found is not None and found["step"] == 15 and float(found["weights"][0]) == 15.0


@pytest.mark.parametrize("damage", ["cut", "flip", "no checksum"])
def test_a_damaged_one_is_reported_and_the_one_before_used(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = Checkpoints(tmp_path / "c", "run", keep=3)
    for step in (5, 10):
        checkpoints.save(step, state(step))
    newest = tmp_path / "c" / "step-000000010.pt"
    content = bytearray(newest.read_bytes())
    if damage == "cut":
        newest.write_bytes(content[:-10])
    elif damage == "flip":
        content[len(content) // 2] ^= 1
        newest.write_bytes(content)
    else:
        newest.with_suffix(".sha256").unlink()
    with caplog.at_level(logging.WARNING):
        found = checkpoints.load()
    assert found is not None and found["step"] == 5
    assert "step-000000010.pt is damaged" in caplog.text


def test_checkpoints_of_another_run_are_moved_aside(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "c", "one", keep=2).save(5, state(5))
    assert Checkpoints(tmp_path / "c", "two", keep=2).load() is None
    assert (tmp_path / "c-one" / "step-000000005.pt").exists()


def test_fingerprints_follow_values_not_order() -> None:
    assert fingerprint(a=1, b={"x": 1, "y": 2}) == fingerprint(b={"y": 2, "x": 1}, a=1)
    assert fingerprint(a=1) != fingerprint(a=2)
