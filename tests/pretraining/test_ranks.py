"""Processes find each other, and say what is wrong if they do not."""

import os
import socket
from pathlib import Path

import pytest

from pipeline_lib.errors import TrainingError
from pipeline_lib.pretraining.ranks import Ranks, joined
from pipeline_lib.stopping import TryAgain
from tests.pretraining import processes


def test_without_a_launcher_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with joined(1.0) as ranks:
        assert ranks.first and ranks.count == 1
        assert ranks.total([1.5, 2.0]).tolist() == [1.5, 2.0]
        assert ranks.gather("x") == ["x"]


def talk(directory: Path) -> None:
    with joined(1.0) as ranks:
        sums = ranks.total([1.0, ranks.number])
        said = ranks.gather(f"process {ranks.number}", quiet=True)
        ranks.wait()
        (directory / str(ranks.number)).write_text(f"{sums.tolist()} {said} {ranks.share(5)}")


def test_processes_add_up_and_tell_each_other(tmp_path: Path) -> None:
    assert processes.run(2, talk, tmp_path) == [0, 0]
    said = "[2.0, 1.0] ['process 0', 'process 1']"
    assert (tmp_path / "0").read_text() == f"{said} (0, 2)"
    assert (tmp_path / "1").read_text() == f"{said} (2, 5)"


def test_a_machine_that_cannot_be_found_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "node-7.invalid", "MASTER_PORT": "2"}
    for name, value in names.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TrainingError, match=r"cannot find 'node-7\.invalid'.*slurm\.nodes: 1"):  # noqa: SIM117
        with joined(1.0):
            pass
    assert os.environ["RANK"] == "1"


def test_a_port_that_is_taken_asks_for_another_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        names = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        for name, value in names.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(TryAgain):  # noqa: SIM117
            with joined(1.0):
                pass
    assert f"port {port} is taken" in caplog.text


def test_shares_of_a_batch_are_equal_to_within_one() -> None:
    sizes = [end - begin for begin, end in (Ranks(n, 7).share(100) for n in range(7))]
    assert sum(sizes) == 100 and max(sizes) - min(sizes) == 1
