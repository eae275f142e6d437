"""The figure of the settings that were tried, made from a real choice."""

from pathlib import Path

import pandas as pd

from pipeline_lib.files import write_json
from pipeline_lib.finetuning.choice import choose
from pipeline_lib.report.grid import grid_scores
from pipeline_lib.report.style import Outputs


def test_all_that_was_tried_is_shown_and_the_choice_marked(tmp_path: Path) -> None:
    points = []
    for init, scores in (("pretrained", (0.6, 0.9)), ("scratch", (0.7, 0.5))):
        for rate, score in zip((0.1, 0.01), scores, strict=True):
            values = {"learning_rate": rate, "batch_size": 8}
            points.append(tmp_path / f"{init}-{rate}.json")
            point = {"init": init, "values": values, "measure": "auroc", "score": score}
            write_json(points[-1], point | {"epoch": 2, "seconds": 1.5})
    choose(points, tmp_path / "chosen.json")
    outputs = Outputs(tmp_path / "f.svg", tmp_path / "t.tsv", tmp_path / "p.html")
    grid_scores(tmp_path / "chosen.json", outputs=outputs)
    table = pd.read_csv(outputs.table, sep="\t")
    assert table["validation auroc"].tolist() == [0.6, 0.9, 0.7, 0.5]
    assert table["chosen"].fillna("").tolist() == ["", "chosen", "chosen", ""]
    drawn = outputs.figure.read_text()
    for text in ("learning rate 0.01, batch size 8", "auroc on validation examples", "chosen"):
        assert text in drawn
