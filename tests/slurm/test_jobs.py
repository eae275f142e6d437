"""Work in jobs of a real SLURM: what befalls a job, and what befalls the process that waits."""

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import psutil
import pytest

from tests.slurm.conftest import Cluster, Toy, eventually

NewToy = Callable[..., Toy]
Scenario = Callable[[Cluster, NewToy], None]
TOGETHER: dict[str, Scenario] = {}
"""What can happen at the same time: most of it is waiting."""


def together(scenario: Scenario) -> Scenario:
    TOGETHER[scenario.__name__] = scenario
    return scenario


def test_three_wait_side_by_side_and_cost_next_to_nothing(slurm: Cluster, new_toy: NewToy) -> None:
    toys = [new_toy(f"toy{number}").start(steps=100, threads=4) for number in range(3)]
    for toy in toys:
        toy.until_step(10)
    assert toys[0].process is not None
    process = psutil.Process(toys[0].process.pid)
    before = process.cpu_times()
    time.sleep(3)
    after = process.cpu_times()
    assert process.memory_info().rss < 200e6
    own = after.user + after.system - before.user - before.system
    assert own < 0.15, f"{own:.2f} s of CPU in 3 s, asking every 0.5 s"
    assert [toy.wait() for toy in toys] == [0, 0, 0]
    assert [toy.result for toy in toys] == ["100\n"] * 3
    assert all(len(toy.jobs()) == 1 and toy.starts(1) == [0] for toy in toys)
    assert "process 0 begins at 0 with 1 threads" in toys[0].log  # what the job says is passed on
    assert not (toys[0].folder / "checkpoints" / "job.json").exists()


def test_a_preempted_job_saves_and_goes_on(slurm: Cluster, new_toy: NewToy) -> None:
    toy = new_toy(partition="low").start(steps=300)
    toy.until_step(20)
    slurm.ask("sbatch", "--partition=high", "--nodes=2", "--exclusive", "--time=1",
              "--output=/dev/null", "--wrap=sleep 3")  # fmt: skip
    toy.succeed()
    assert toy.starts()[1] >= 20
    assert "has saved" in toy.log
    assert [state for _, state in toy.jobs()] == ["COMPLETED"]


def test_a_lost_node_is_replaced(slurm: Cluster, new_toy: NewToy) -> None:
    toy = new_toy(extra={"nodelist": "n2"}).start(steps=400)
    toy.until_step(20)
    lost = psutil.Process(slurm.pid("n2"))
    steps = [process for process in psutil.process_iter(["cmdline"])
             if "slurmstepd" in " ".join(process.info["cmdline"] or [])]  # fmt: skip
    work = [child for step in steps for child in step.children(True)]
    for process in [lost, *steps, *work]:  # nobody is left who could report the end of the work
        process.kill()
    slurm.ask("scontrol", "update", "nodename=n2", "state=down", "reason=lost")
    slurm.script("start", "n2")
    eventually(lambda: slurm.back("n2"), "the node")
    toy.succeed()
    assert toy.starts()[1] >= 20
    assert len(toy.jobs()) == 1


def test_the_controller_may_be_away(slurm: Cluster, new_toy: NewToy) -> None:
    toy = new_toy().start(steps=60)
    toy.until_step(20)
    controller = psutil.Process(slurm.pid("slurmctld"))
    controller.terminate()
    eventually(lambda: "SLURM does not answer" in toy.log, "a word about SLURM's silence")
    toy.until_step(60)
    assert toy.process is not None
    assert toy.process.poll() is None  # the job is done, but who knows
    psutil.wait_procs([controller], timeout=20)
    slurm.script("start", "slurmctld")
    toy.succeed()
    assert toy.log.count("SLURM does not answer") == 1
    assert "SLURM answers again" in toy.log


@together
def a_time_limit_is_no_end_but_for_work_that_cannot_be_continued(
    slurm: Cluster, new_toy: NewToy
) -> None:
    # Two minutes, and the word 85 seconds before: SLURM says it 5 to 35 seconds after the start.
    limits = {"hours": 2 / 60, "grace_seconds": 60, "extra": {"signal": "USR2@85"}}
    goes_on = new_toy("toy", **limits).start(steps=400, seconds=0.1)
    fails = new_toy("sleep", processes=1, **limits).start(function="sleep", seconds=100)
    assert fails.wait() == 1
    assert "the time limit of 0.0333333 hours is too short. To fix: raise" in fails.log
    goes_on.succeed()
    assert goes_on.result == "400\n"
    assert len(goes_on.starts()) >= 2
    assert goes_on.starts() == sorted(goes_on.starts())  # none from less than the one before
    assert goes_on.starts()[-1] > 10
    assert len(goes_on.jobs()) == 1  # the same job, requeued


@together
def a_requeued_job_goes_on(slurm: Cluster, new_toy: NewToy) -> None:
    toy = new_toy().start(steps=300)
    toy.until_step(20)
    slurm.ask("scontrol", "requeue", toy.jobs()[0][0])
    toy.succeed()
    first, second = toy.starts()
    assert first == 0
    assert second >= 20
    assert toy.jobs() == [(toy.jobs()[0][0], "COMPLETED")]


@together
def a_failure_says_why_and_where(slurm: Cluster, new_toy: NewToy) -> None:
    codes = {"input": 1, "bug": 1, "killed": 1, "again": 0}
    toys = {kind: new_toy(kind).start(steps=40, trouble=kind) for kind in codes}
    assert {kind: toy.wait() for kind, toy in toys.items()} == codes
    said = {kind: toy.log.partition("failed: ")[2] for kind, toy in toys.items()}
    assert said["input"].startswith(
        "x.parquet: the shards are empty. To fix: make them again. (process 1 of 2, job "
    )
    assert "Traceback" not in toys["input"].log
    assert "failed in process 1 of 2. The last lines of " in said["bug"]
    assert said["bug"].rstrip().endswith("ZeroDivisionError: a mistake of ours")
    assert "process 1 of 2 was killed" in said["killed"]
    assert "process 1 begins" in said["killed"]  # the log of that process, not of the first
    assert len(toys["again"].starts(1)) == 2  # it asked to be started again, and was
    assert toys["again"].result == "40\n"


@together
def a_signal_before_python_listens_is_no_failure(slurm: Cluster, new_toy: NewToy) -> None:
    toy = new_toy(setup=["[ $SLURM_RESTART_COUNT ] || export PYTHONPATH=$EARLY:$PYTHONPATH"])
    early = toy.folder / "early"
    early.mkdir()
    (early / "sitecustomize.py").write_text("import time; time.sleep(8)")  # a slow file system
    toy.how["setup"].insert(0, f"EARLY={early}")
    toy.start(steps=5)
    eventually(lambda: " runs" in toy.log, "a running job")
    time.sleep(2)
    slurm.ask("scancel", "--signal=USR2", toy.jobs()[0][0])
    toy.succeed()
    assert toy.starts() == [0]
    assert toy.jobs() == [(toy.jobs()[0][0], "COMPLETED")]


@together
def a_cancelled_job_is_continued_by_the_next_run(slurm: Cluster, new_toy: NewToy) -> None:
    toy = new_toy().start(steps=300)
    toy.until_step(20)
    slurm.ask("scancel", toy.jobs()[0][0])
    assert toy.wait() == 1
    assert "was cancelled. It goes on from its last checkpoint" in toy.log
    toy.start(steps=300).succeed()
    assert toy.starts()[1] >= 20
    assert [state for _, state in toy.jobs()] == ["CANCELLED", "COMPLETED"]


@together
def ending_the_waiting_process_cancels_the_job(slurm: Cluster, new_toy: NewToy) -> None:
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    toys = {number: new_toy(number.name).start(steps=2000) for number in numbers}
    for number, toy in toys.items():
        toy.until_step(5)
        toy.send(number)
    for number, toy in toys.items():
        assert toy.wait() == 128 + number
        eventually(lambda toy=toy: [s for _, s in toy.jobs()] == ["CANCELLED"], "the job's end")
        log = toy.folder / "checkpoints" / "logs" / f"{toy.jobs()[0][0]}_0_log.out"
        assert "has saved" in log.read_text()


@together
def a_killed_waiting_process_finds_its_job_again(slurm: Cluster, new_toy: NewToy) -> None:
    toy = new_toy().start(steps=600)
    toy.until_step(10)
    toy.die()
    # It died before it could write its note, and changed its mind about the partition since.
    (toy.folder / "checkpoints" / "job.json").unlink()
    toy.how = {"partition": "low", "hours": 1}
    toy.start(steps=600).succeed()
    assert toy.starts() == [0]
    assert "was submitted before; waiting for it" in toy.log
    assert toy.jobs() == [(toy.jobs()[0][0], "COMPLETED")]


@together
def a_job_gets_its_work_though_the_submitting_process_died(slurm: Cluster, new_toy: NewToy) -> None:
    toy = new_toy(extra={"begin": "now+4"}).start(steps=10)
    eventually(lambda: "submitted job" in toy.log, "a job")
    toy.die()
    next((toy.folder / "checkpoints" / "logs").glob("*_submitted.pkl")).unlink()
    toy.start(steps=10).succeed()
    assert len(toy.jobs()) == 1


@together
def a_job_that_ended_meanwhile_is_not_repeated(slurm: Cluster, new_toy: NewToy) -> None:
    toy = new_toy().start(steps=30)
    toy.until_step(5)
    toy.die()
    eventually(lambda: [state for _, state in toy.jobs()] == ["COMPLETED"], "the job's end")
    toy.start(steps=30).succeed()
    assert "has done the work meanwhile" in toy.log
    assert len(toy.jobs()) == 1
    # The same again, but Snakemake has removed the results in between.
    toy.start(steps=31)
    eventually(lambda: len(toy.jobs()) == 2, "another job")
    toy.die()
    eventually(lambda: toy.jobs()[1][1] == "COMPLETED", "the job's end")
    (toy.folder / "result.txt").unlink()
    toy.start(steps=31).succeed()
    assert toy.result == "31\n"
    assert len(toy.jobs()) == 3


@together
def other_settings_are_another_job(slurm: Cluster, new_toy: NewToy) -> None:
    toy = new_toy().start(steps=2000)
    toy.until_step(20)
    toy.die()
    toy.start(steps=60).succeed()
    assert "is cancelled: its settings are not those of now" in toy.log
    assert toy.starts()[1] >= 20
    assert [state for _, state in toy.jobs()] == ["CANCELLED", "COMPLETED"]


@together
def what_slurm_refuses_is_a_sentence(slurm: Cluster, new_toy: NewToy) -> None:
    nowhere = new_toy("nowhere", partition="nowhere").start(steps=1)
    too_short = new_toy("short", hours=0.01, grace_seconds=60).start(steps=1)
    assert nowhere.wait() == too_short.wait() == 1
    assert "SLURM refuses the job: invalid partition specified: nowhere" in nowhere.log
    assert "`slurm.hours` is 0.01" in too_short.log
    assert "Traceback" not in nowhere.log + too_short.log


@pytest.fixture(scope="module")
def running(slurm: Cluster, new_toy: NewToy) -> Iterator[dict[str, "Future[None]"]]:
    """Start all that can happen at the same time."""

    def toys_of(name: str) -> NewToy:
        return lambda toy="toy", **how: new_toy(f"{name}-{toy}", **how)

    with ThreadPoolExecutor(len(TOGETHER)) as pool:
        yield {
            name: pool.submit(scenario, slurm, toys_of(name)) for name, scenario in TOGETHER.items()
        }


@pytest.mark.parametrize("name", TOGETHER)
def test_side_by_side(running: dict[str, "Future[None]"], name: str) -> None:
    running[name].result()
