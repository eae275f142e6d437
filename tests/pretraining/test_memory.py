"""What does not fit is refused with the settings to lower, before or after the fact."""

from pathlib import Path

import pytest
import torch

from pipeline_lib.config.family import AnyArchitecture
from pipeline_lib.config.pretraining import PretrainingSettings
from pipeline_lib.errors import TrainingError
from pipeline_lib.pretraining.memory import (
    _control_group,
    _meminfo,
    available_memory,
    no_memory_left,
    out_of_memory,
    plan_memory,
)
from pipeline_lib.pretraining.ranks import Ranks
from tests.pretraining.test_losses import SHAPES


@pytest.mark.parametrize("name", SHAPES)
def test_what_does_not_fit_at_once_is_computed_in_parts_and_else_refused(name: str) -> None:
    settings = PretrainingSettings(batch_size=256)
    one = Ranks()
    assert plan_memory(SHAPES[name], 100, settings, ranks=one, available=2**40).accumulation == 1
    smallest = next(
        room for room in range(2**16, 2**30, 2**16) if fits(SHAPES[name], settings, room)
    )
    found = plan_memory(SHAPES[name], 100, settings, ranks=one, available=smallest)
    assert 128 <= found.accumulation <= 256
    with pytest.raises(TrainingError, match=r"fsdp.*context_length.*smaller preset"):
        plan_memory(SHAPES[name], 100, settings, ranks=one, available=smallest - 2**16)


def fits(shape: AnyArchitecture, settings: PretrainingSettings, room: int) -> bool:
    try:
        plan_memory(shape, 100, settings, ranks=Ranks(), available=room)
    except TrainingError:
        return False
    return True


def test_an_allocation_that_no_machine_grants_is_known_for_what_it_is() -> None:
    with pytest.raises(RuntimeError) as found:
        torch.empty(2**60, dtype=torch.uint8)
    assert no_memory_left(found.value)
    with pytest.raises(RuntimeError) as found:
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert not no_memory_left(found.value)
    assert "context_length" in str(out_of_memory())


def test_the_memory_of_this_machine() -> None:
    found = available_memory(torch.device("cpu"))
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
