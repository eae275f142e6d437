"""What SLURM's commands say, and how their options are built."""

from pathlib import Path
from typing import Any

import pytest

from pipeline_lib.cluster.ending import ending
from pipeline_lib.cluster.logs import Follower, last_lines
from pipeline_lib.cluster.squeue import GONE, parse_entries
from pipeline_lib.cluster.submission import options, reason_of
from pipeline_lib.cluster.work import Work
from pipeline_lib.config.finetuning import FinetuningSettings
from pipeline_lib.config.launching import Parallel, Slurm
from pipeline_lib.errors import InputError

WORK = Work("m:f", {}, resumable=True)


def test_jobs_are_read_oldest_first_and_what_is_no_job_is_left_out() -> None:
    text = (
        "12|RUNNING|None|ab12\n"
        "slurm_load_jobs: some warning\n"
        "9|PENDING|launch failed requeued held|\n"
        "10|COMPLETED|None|a comment | with a bar\n"
    )
    jobs = parse_entries(text)
    assert [job.id for job in jobs] == ["9", "10", "12"]
    assert [job.unfinished for job in jobs] == [True, False, True]
    assert jobs[1].comment == "a comment | with a bar"
    assert jobs[0].held
    assert "scontrol release 9" in jobs[0].what
    assert not jobs[2].held
    assert jobs[2].what == "runs"


def test_all_settings_reach_sbatch(tmp_path: Path) -> None:
    slurm = Slurm(
        nodes=3, gpus=4, cpus=6, memory_gb=1.5, hours=1.25, partition="gpu", account="lab",
        qos="long", constraint="a100", grace_seconds=90, setup=("module load cuda",),
        extra={"exclusive": True, "reservation": "course", "contiguous": False},
    )  # fmt: skip
    asked = options(Parallel(slurm=slurm), tmp_path)
    expected: dict[str, Any] = {
        "nodes": 3, "ntasks_per_node": 4, "gpus_per_node": 4, "cpus_per_task": 6, "mem": "1536M",
        "time": 75, "partition": "gpu", "account": "lab", "qos": "long", "constraint": "a100",
        "signal_delay_s": 90,
        "additional_parameters": {"requeue": True, "exclusive": True, "reservation": "course"},
    }  # fmt: skip
    assert {key: asked[key] for key in expected} == expected
    assert asked["setup"][1:3] == ["export OMP_NUM_THREADS=6", "module load cuda"]


@pytest.mark.parametrize(("processes", "gpus", "tasks"), [(2, 4, 2), (None, 3, 3), (None, 0, 1)])
def test_a_process_for_each_gpu_unless_told_otherwise(
    tmp_path: Path, processes: int | None, gpus: int, tasks: int
) -> None:
    how = Parallel(processes=processes, slurm=Slurm(gpus=gpus))
    assert options(how, tmp_path)["ntasks_per_node"] == tasks
    single = FinetuningSettings(slurm=Slurm(gpus=gpus))
    assert options(single, tmp_path)["ntasks_per_node"] == 1


def test_a_time_limit_leaves_time_to_work(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no time is left to work.*raise `slurm.hours`"):
        options(Parallel(slurm=Slurm(hours=0.04, grace_seconds=120)), tmp_path)


def test_what_sbatch_says_is_found_in_the_error() -> None:
    text = "Command failed:\nsbatch: error: Invalid account\nsbatch: error: Batch job failed\nrest"
    assert reason_of(RuntimeError(text)) == "Invalid account Batch job failed"
    assert reason_of(RuntimeError("")) == "no reason"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("OUT_OF_MEMORY", "raise `slurm.memory_gb`"),
        ("TIMEOUT", "raise `slurm.grace_seconds`"),
        ("CANCELLED", "goes on from its last checkpoint"),
        (GONE, "no accounts"),
        ("FAILED", "process 1 of 2 was killed"),
    ],
)
def test_an_end_without_a_note_is_explained_by_the_state(
    tmp_path: Path, state: str, words: str
) -> None:
    (tmp_path / "5_0_log.out").write_text("srun: error: n2: task 1: Killed\n")
    (tmp_path / "5_1_log.out").write_text("step 1\nstep 2\n")
    end = ending(WORK, tmp_path, "5", 2, state)
    assert not end.done
    assert not end.again
    assert words in end.sentence
    assert end.sentence.endswith("step 2")


def test_a_lost_machine_is_no_failure(tmp_path: Path) -> None:
    assert ending(WORK, tmp_path, "5", 1, "NODE_FAIL").again


def test_a_follower_passes_on_whole_lines_at_their_level(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    log = tmp_path / "log"
    follower = Follower(log)
    follower.pass_on()  # there is no log yet
    with log.open("w") as handle:
        handle.write("10:00:00 WARNING the loss\n10%\r20%\r30%\nhalf a l")
        handle.flush()
        follower.pass_on()
        handle.write("ine\nthe end")
    follower.pass_on()
    assert caplog.messages == ["the loss", "30%", "half a line"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "INFO"]
    follower.finish()
    assert caplog.messages[-1] == "the end"
    late = Follower(log, from_end=True)
    late.finish()
    assert len(caplog.messages) == 4
    assert last_lines(log, 2) == "half a line\nthe end"
