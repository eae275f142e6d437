"""Files are whole or absent, also when the disk is full."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_directory, atomic_path, checksum, read_json, write_json


def test_a_failed_writer_leaves_nothing_and_keeps_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "table.tsv"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half of the new")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_failed_directory_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "weights").write_text("old")
    with pytest.raises(RuntimeError), atomic_directory(target) as temporary:
        (temporary / "weights").write_text("new")
        raise RuntimeError
    assert (target / "weights").read_text() == "old"
    with atomic_directory(target) as temporary:
        (temporary / "weights").write_text("new")
    assert [file.name for file in tmp_path.rglob("*")] == ["model", "weights"]
    assert (target / "weights").read_text() == "new"


def test_leftovers_of_killed_attempts_are_removed(tmp_path: Path) -> None:
    for name in ("x.json", "model"):
        (tmp_path / f".0123456789ab.part.{name}").mkdir()
    other = tmp_path / ".0123456789ab.part.other"
    other.write_text("")
    write_json(tmp_path / "x.json", 1)
    with atomic_directory(tmp_path / "model"):
        pass
    assert sorted(file.name for file in tmp_path.iterdir()) == [other.name, "model", "x.json"]


def test_json_round_trip_and_checksum(tmp_path: Path) -> None:
    write_json(tmp_path / "a" / "x.json", {"µ": [1, 2.5, None]})
    assert read_json(tmp_path / "a" / "x.json") == {"µ": [1, 2.5, None]}
    (tmp_path / "abc").write_bytes(b"abc")
    assert checksum(tmp_path / "abc").startswith("ba7816bf8f01cfea")


FILL = """
import sys
from pathlib import Path
from pipeline_lib.files import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    with temporary.open("wb") as handle:
        for _ in range(64):
            handle.write(bytes(1 << 20))
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 4 MB: a real one, since a full disk is what is tested."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)], check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_disk_is_named_and_nothing_half_written_kept(small_disk: Path) -> None:
    target = small_disk / "genome.fa"
    answer = subprocess.run(
        [sys.executable, "-c", FILL, str(target)], capture_output=True, text=True, check=False
    )
    assert "InputError" in answer.stderr
    assert "the disk is full, or the quota is used up" in answer.stderr
    assert "--directory" in answer.stderr
    assert list(small_disk.iterdir()) == []


def test_a_read_only_disk_is_named(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(InputError, match="read-only"), atomic_path(small_disk / "x"):
        pass


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(InputError, match="not a folder"),
        atomic_path(tmp_path / "file" / "x"),
    ):
        pass
