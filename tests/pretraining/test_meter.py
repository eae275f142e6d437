"""What a line of metrics says, checked by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from pipeline_lib.pretraining.data import Batch
from pipeline_lib.pretraining.examples import Examples
from pipeline_lib.pretraining.losses import Totals
from pipeline_lib.pretraining.meter import Journal, Meter
from pipeline_lib.pretraining.ranks import Ranks
from pipeline_lib.pretraining.stream import Work
from pipeline_lib.tokenizer.vocabulary import Vocabulary


def work_of(answers: list[int]) -> Work:
    tokens = np.zeros((2, 5), dtype=np.int64)
    batch = Batch(tokens, np.array([5, 3]), np.array([0, 1]), np.zeros(2, np.int64))
    shown = np.ones((2, 5), dtype=bool)
    examples = Examples(tokens, shown, shown, np.array(answers))
    return Work(batch, examples, Totals.of(examples))


def test_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    lengths = np.array([0, 0, 0, 0, 0, 1, 2, 3], np.int32)
    meter = Meter(Ranks(), Vocabulary(list("abcdefgh"), tuple("abcde"), 5, lengths), 1.0)
    meter.add(work_of([5, 6]), 3.0, 2.0, 0.5)  # 2 targets of 3 bases
    meter.add(work_of([7, 7]), 5.0, 4.0, 0.25)  # 2 targets of 6 bases
    meter.add(work_of([5, 5]), math.nan, math.nan, 0.25)  # left out of the means
    assert meter.loss == 4.0
    now = 106.0
    meter.pause(2.0)
    line = meter.line()
    assert line["loss"] == 4.0
    assert line["tokens_per_second"] == pytest.approx(24 / 4)
    assert line["data_wait"] == pytest.approx(1.0 / 4)
    assert line["bits_per_base"] == pytest.approx(3.0 * 6 / 11 / math.log(2))
    assert "utilisation" not in line and line["memory_mb"] > 10
    assert meter.loss == 0.0


def test_lines_are_written_by_the_first_process_alone(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    Journal(path, Ranks(1, 2), None).write(3, loss=1.0)
    assert not path.exists()
    journal = Journal(path, Ranks(0, 2), None)
    journal.write(3, loss=1.0)
    journal.write(4, loss=0.5)
    journal.close()
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert found == [{"step": 3, "loss": 1.0}, {"step": 4, "loss": 0.5}]
