"""What is asked for: which changes make it another piece of work, and which do not."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_lib.cluster.work import Work, fingerprint
from pipeline_lib.config.launching import Slurm
from pipeline_lib.config.pretraining import Model

SETTINGS: dict[str, Any] = {"corpus": "c", "tokenizer": "t", "preset": "p"}


@dataclass(frozen=True)
class Ingredients:
    """Arguments that belong together."""

    shards: tuple[Path, ...]
    settings: Model


def work(folder: Path, threads: int = 2, **settings: Any) -> Work:
    shards = folder / "shards"
    shards.mkdir(exist_ok=True)
    results = folder / "results"
    arguments = {
        "of": Ingredients((shards,), Model(**SETTINGS, **settings)), "directory": results,
        "threads": threads,
    }  # fmt: skip
    return Work("m:f", arguments, resumable=True, results=(results / "model",))


def test_how_the_work_is_carried_out_is_no_part_of_it(tmp_path: Path) -> None:
    here = fingerprint(work(tmp_path))
    elsewhere = work(
        tmp_path, threads=9, launcher="slurm", processes=4, slurm=Slurm(partition="gpu", hours=2)
    )
    assert fingerprint(elsewhere) == here
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "log").write_text("what the work writes itself")
    assert fingerprint(work(tmp_path)) == here


def test_other_settings_or_other_files_are_other_work(tmp_path: Path) -> None:
    before = fingerprint(work(tmp_path))
    assert fingerprint(work(tmp_path, steps=7)) != before
    shard = tmp_path / "shards" / "part-00000.parquet"
    shard.write_bytes(b"1")
    with_shard = fingerprint(work(tmp_path))
    assert with_shard != before
    os.utime(shard, (1, 1))
    assert fingerprint(work(tmp_path)) != with_shard


@given(seed=st.integers(), name=st.text(max_size=5))
def test_a_fingerprint_is_a_function_of_the_arguments(seed: int, name: str) -> None:
    arguments = {"seed": seed, "name": name}
    one = Work("m:f", arguments, resumable=True)
    assert fingerprint(one) == fingerprint(Work("m:f", dict(arguments), resumable=False))
    assert fingerprint(one) != fingerprint(Work("m:f", {**arguments, "seed": seed + 1}, True))


def test_work_is_done_when_all_its_results_are_there(tmp_path: Path) -> None:
    made = Work("os:getcwd", {}, resumable=False, results=(tmp_path / "a", tmp_path / "b"))
    (tmp_path / "a").touch()
    assert not made.done
    (tmp_path / "b").touch()
    assert made.done


def test_the_function_is_imported_when_it_is_called(tmp_path: Path) -> None:
    target = tmp_path / "made"
    Work("os:mkdir", {"path": target}, resumable=False).call()
    assert target.is_dir()
    with pytest.raises(ModuleNotFoundError):
        Work("no_such_module:f", {}, resumable=False).call()
