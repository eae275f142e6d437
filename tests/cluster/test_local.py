"""Several processes on this machine."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipeline_lib.cluster.launch import launch, visible_gpus
from pipeline_lib.config.launching import Parallel
from pipeline_lib.errors import InputError, TrainingError
from tests.cluster.launcher import toy

TWO = Parallel(processes=2)


def starts(folder: Path, rank: int) -> list[int]:
    return [int(line) for line in (folder / f"checkpoints/starts-{rank}").read_text().split()]


def test_processes_share_the_work_and_the_threads(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    launch(toy(tmp_path, steps=3, threads=5), TWO, tmp_path, "toy")
    assert (tmp_path / "result.txt").read_text() == "3\n"
    assert "process 0 begins at 0 with 2 threads" in caplog.messages
    assert "process 1 begins at 0 with 2 threads" not in caplog.messages  # one speaks for all
    log = tmp_path / "checkpoints" / "logs" / "process-1.log"
    assert "process 1 begins at 0 with 2 threads" in log.read_text()


def test_a_single_process_is_this_very_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the shards are empty"):
        launch(
            toy(tmp_path, steps=5, trouble="input", rank_in_trouble=0),
            Parallel(processes=1),
            tmp_path,
            "toy",
        )
    assert not (tmp_path / "checkpoints" / "logs").exists()


def test_all_start_again_if_one_asks_for_it(tmp_path: Path) -> None:
    launch(toy(tmp_path, steps=9, trouble="again"), TWO, tmp_path, "toy")
    assert starts(tmp_path, 1) == [0, 3]
    assert len(starts(tmp_path, 0)) == 2
    assert (tmp_path / "result.txt").read_text() == "9\n"


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("input", r"^x.parquet: the shards are empty.*\(process 1 of 2; .*process-1.log\)$"),
        ("bug", r"(?s)process 1 of 2 failed. The last lines of .*ZeroDivisionError: a mistake"),
        ("killed", r"(?s)process 1 of 2 was killed \(SIGKILL\).*process 1 begins at 0"),
    ],
)
def test_a_failure_ends_all_and_says_why(
    tmp_path: Path, trouble: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline_lib.cluster.local.SHORT_GRACE", 0.5)
    begun = time.monotonic()
    with pytest.raises(TrainingError, match=words):
        launch(toy(tmp_path, steps=4000, trouble=trouble), TWO, tmp_path, "toy")
    assert time.monotonic() - begun < 100  # not the 200 s that the other one would take
    before = (tmp_path / "checkpoints" / "count-0").read_text()
    time.sleep(0.3)
    assert (tmp_path / "checkpoints" / "count-0").read_text() == before  # the other one is gone


def start(folder: Path, **arguments: Any) -> subprocess.Popen[str]:
    how = json.dumps({"processes": 2})
    return subprocess.Popen(
        [sys.executable, "-m", "tests.cluster.launcher", str(folder), how, json.dumps(arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def wait_for_step(folder: Path, step: int) -> None:
    files = [folder / "checkpoints" / f"count-{rank}" for rank in (0, 1)]
    deadline = time.monotonic() + 120
    while not all(file.exists() and int(file.read_text()) >= step for file in files):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR2])
def test_a_signal_reaches_all_and_they_save(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path, steps=2000)
    wait_for_step(tmp_path, 3)
    process.send_signal(number)
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert "process 0 has saved" in text
    launch(toy(tmp_path, steps=100, seconds=0.01), TWO, tmp_path, "toy")
    assert all(starts(tmp_path, rank)[1] >= 3 for rank in (0, 1))


def test_processes_do_not_outlive_the_one_that_started_them(tmp_path: Path) -> None:
    process = start(tmp_path, steps=2000)
    wait_for_step(tmp_path, 1)
    members = psutil.Process(process.pid).children()
    assert len(members) == 2
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(members, timeout=60)
    assert not alive


@pytest.mark.parametrize(
    ("value", "count"), [("0,1,3", 3), ("", 0), ("-1", 0), ("0,-1,2", 1), ("GPU-8a,MIG-1", 2)]
)
def test_gpus_are_counted_as_cuda_does(
    monkeypatch: pytest.MonkeyPatch, value: str, count: int
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert visible_gpus() == count


def test_the_waiting_process_never_loads_torch() -> None:
    code = (
        "import sys, pipeline_lib.cluster.launch, pipeline_lib.cluster.slurm; "
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))
