"""After a run that went on with the others: who failed, and why."""

from pathlib import Path

from pipeline_lib.genome.failures import failure_summary, failures


def put(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


LOG = "12:00:01 WARNING slow\n12:00:02 ERROR genome_{}: {}\n"


def test_failures_are_told_apart_from_what_is_done(tmp_path: Path) -> None:
    logs = "logs/genome"
    put(tmp_path, f"{logs}/good/download_sequence.log", "12:00:01 WARNING it broke once\n")
    put(tmp_path, "genome/good/source/sequence")
    put(tmp_path, f"{logs}/good/prepare.log")
    put(tmp_path, "genome/good/stats.json", "{}")
    put(tmp_path, f"{logs}/gone/download_sequence.log", LOG.format("download", "x: 404 Not Found."))
    put(tmp_path, f"{logs}/bad/prepare.log", LOG.format("prepare", "a.fa: 'J' is not a base."))
    put(tmp_path, f"{logs}/bug/prepare.log", "Traceback (most recent call last):\nKeyError: 'x'\n")
    put(tmp_path, f"{logs}/killed/prepare.log", "reading a.fa: 5 Mb\n")
    put(tmp_path, f"{logs}/fetched/datasets.log")  # its zip is taken away when it is unpacked
    found = {(f.assembly, f.step, f.reason) for f in failures(tmp_path, NAMES)}
    assert found == {
        ("gone", "download", "x: 404 Not Found."),
        ("bad", "preparation", "a.fa: 'J' is not a base."),
        ("bug", "preparation", "KeyError: 'x'"),
        ("killed", "preparation", "it stopped without a message: killed, or out of memory?"),
    }
    text = failure_summary(tmp_path, NAMES)
    assert text.startswith("4 of 7 assemblies failed:")
    assert "gone (download): x: 404 Not Found." in text
    assert "1 assemblies are ready and kept" in text


NAMES = ["good", "gone", "bad", "bug", "killed", "fetched", "waiting"]


def test_nothing_failed(tmp_path: Path) -> None:
    assert failure_summary(tmp_path, NAMES) == ""
