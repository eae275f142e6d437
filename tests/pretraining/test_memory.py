"""What does not fit is refused with the settings to lower, before or after the fact."""

from pathlib import Path

import pytest
import torch

from pipeline_lib.config.pretraining import PretrainingSettings
from pipeline_lib.errors import TrainingError
from pipeline_lib.models.memory_estimate import MemoryEstimate
from pipeline_lib.pretraining.memory import (
    _control_group,
    _meminfo,
    available_memory,
    check_memory,
    memory_errors,
)
from tests.pretraining.test_losses import SHAPES

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", SHAPES)
def test_what_cannot_fit_is_refused_before_the_first_step(name: str) -> None:
    settings = PretrainingSettings(batch_size=256)
    fits = check_memory(SHAPES[name], 100, settings, batch_size=256, device=CPU, available=2**40)
    with pytest.raises(TrainingError, match=r"accumulation.*batch_size.*context_length"):
        check_memory(
            SHAPES[name], 100, settings, batch_size=256, device=CPU, available=fits.total - 1
        )
    parts = PretrainingSettings(batch_size=256, accumulation=8)
    less = check_memory(
        SHAPES[name], 100, parts, batch_size=256, device=CPU, available=fits.total - 1
    )
    assert less.activations < fits.activations / 4


def test_running_out_of_memory_becomes_a_sentence() -> None:
    needed = MemoryEstimate(2**30, 2**30, 2**31, 2**32)
    with pytest.raises(TrainingError, match=r"8\.00 GiB were expected.*raise `accumulation`"):  # noqa: SIM117
        with memory_errors(needed):
            torch.empty(2**60, dtype=torch.uint8)  # an allocation that no machine grants
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), memory_errors(needed):
        torch.ones(2, 3) @ torch.ones(2, 3)


def test_the_memory_of_this_machine() -> None:
    found = available_memory(CPU)
    assert found is None or 2**20 < found < 2**50


def test_limits_are_read(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:    2048 kB\n")
    assert _meminfo(meminfo) == 2048 * 1024
    assert _meminfo(tmp_path / "none") is None
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("2000\n")
    (tmp_path / "memory.stat").write_text("anon 900\nactive_file 600\ninactive_file 500\n")
    assert _control_group(tmp_path) == 4100
    (tmp_path / "memory.max").write_text("max\n")
    assert _control_group(tmp_path) is None
