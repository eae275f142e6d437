"""What a rule's script does around its one call."""

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from pipeline_lib.errors import InputError
from pipeline_lib.job import ORPHAN_EXIT_CODE, job


def test_an_error_of_the_user_is_a_sentence_in_log_and_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "rule.log"
    script = f"""
from types import SimpleNamespace
from pipeline_lib.errors import InputError
from pipeline_lib.job import job
with job(SimpleNamespace(log=[{str(log)!r}], rule="genome_prepare")):
    raise InputError("the file is empty", path="x.fa", remedy="fetch it again")
"""
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert answer.returncode == 1
    for text in (answer.stderr, log.read_text()):
        assert "genome_prepare: x.fa: the file is empty. To fix: fetch it again." in text
        assert "Traceback" not in text


def test_an_error_of_ours_keeps_its_traceback(tmp_path: Path) -> None:
    log = tmp_path / "rule.log"
    with pytest.raises(ZeroDivisionError), job(SimpleNamespace(log=[str(log)], rule="r")):
        _ = 1 / 0
    assert "ZeroDivisionError" in log.read_text()


def test_a_job_does_not_outlive_its_snakemake(tmp_path: Path) -> None:
    child = (
        "import time; from pipeline_lib.job import follow_parent; "
        "follow_parent(0.1); time.sleep(60)"
    )
    parent = tmp_path / "snakemake"
    parent.write_text(
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        "print(child.pid, flush=True)\nchild.wait()\n"
    )
    process = subprocess.Popen([sys.executable, str(parent)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    orphan = psutil.Process(int(process.stdout.readline()))
    time.sleep(2)
    assert orphan.is_running()
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs([orphan], timeout=60)
    assert not alive
    assert ORPHAN_EXIT_CODE


def test_messages_read_as_sentences() -> None:
    error = InputError(
        "letter 'E' found", path="p.fa", where="line 3", expected="IUPAC", remedy="give DNA"
    )
    assert str(error) == "p.fa, line 3: letter 'E' found; expected IUPAC. To fix: give DNA."
