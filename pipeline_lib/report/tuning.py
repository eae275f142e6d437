"""Figures of tuning: how runs learn, and all figures of a task on one page."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_lib.files import write_text
from pipeline_lib.report.reading import read_lines
from pipeline_lib.report.scores import METRICS, read_task
from pipeline_lib.report.style import COLOURS, NAMES, Outputs, canvas, document, publish
from pipeline_lib.report.summary import verdicts

CAPTIONS = {
    "scores": "Scores on the test examples, of all and of each kind of them",
    "places": "Scores by type of region and by contig",
    "predictions": "Predictions for the test examples",
    "calibration": "Calibration",
    "training": "Tuning",
    "grid": "Settings tried, chosen on the validation examples",
    "embeddings": "Embeddings before any tuning",
}


def tuning_curves(*metrics: Path, outputs: Outputs) -> None:
    """Draw the score on the validation examples by epoch, and the training loss, of every run.

    Of a probe, whose penalty is what varies, the scores are drawn by penalty.

    Parameters
    ----------
    *metrics
        ``metrics.jsonl`` in folders such as ``pretrained-1``.
    """
    rows = []
    for path in metrics:
        family = path.parent.name.rpartition("-")[0]
        for number, line in enumerate(read_lines(path), start=1):
            place = line.get("penalty", line.get("epoch", number))
            score = next((line[key] for key in line if key.startswith("valid_")), np.nan)
            name = next((key for key in line if key.startswith("valid_")), "valid_score")
            rows.append(
                {
                    "run": path.parent.name,
                    "what": NAMES.get(family, family),
                    "penalty" if "penalty" in line else "epoch": place,
                    name: score,
                    "loss": line.get("loss", np.nan),
                }
            )
    frame = pd.DataFrame(rows)
    measure = next((column for column in frame if str(column).startswith("valid_")), "valid_score")
    across = "penalty" if "penalty" in frame else "epoch"
    figure, (left, right) = canvas(2, width=9, height=4)
    for run, own in frame.groupby("run", sort=False):
        family = str(run).rpartition("-")[0]
        first = family not in {text.get_label() for text in left.get_lines()}
        colour = COLOURS.get(family, "#333333")
        if measure in own:
            left.plot(own[across], own[measure], "o-", color=colour, markersize=3, alpha=0.8,
                      label=family if first else "_")  # fmt: skip
        right.plot(own[across], own["loss"], color=colour, alpha=0.8)
    metric = METRICS.get(str(measure).removeprefix("valid_"))
    left.set(xlabel=across, ylabel=metric.label if metric else str(measure))
    left.set_title("Validation examples")
    right.set(xlabel=across, ylabel="loss", title="Training")
    if across == "penalty":
        left.set_xscale("log")
        right.set_visible(False)
    handles, labels = left.get_legend_handles_labels()
    left.legend(handles, [NAMES.get(label, label) for label in labels], fontsize=9, loc="best")
    publish(figure, frame, outputs, title="Tuning")


def task_page(results: Sequence[Path], figures: Sequence[Path], *, task: str, page: Path) -> None:
    """Write all figures of a task on one page that needs nothing else.

    Parameters
    ----------
    results
        ``{task}.json`` of each model.
    figures
        SVG files whose names are ``{task}_WHAT.svg`` or ``{task}_WHAT_{model}.svg``.
    task
        Name of the task.
    page
        The HTML file to be written.
    """
    read = [read_task(path) for path in results]
    body = [f"<p>{html.escape(sentence)}</p>" for sentence in verdicts([], read)]
    for figure in figures:
        what, _, model = figure.stem.removeprefix(f"{task}_").partition("_")
        heading = CAPTIONS.get(what, what) + (f": {model}" if model else "")
        data = base64.b64encode(figure.read_bytes()).decode()
        alternative = html.escape(heading, quote=True)
        body.append(f"<h2>{html.escape(heading)}</h2>")
        body.append(
            '<img style="max-width: 100%; background: #fff" '
            f'alt="{alternative}" src="data:image/svg+xml;base64,{data}">'
        )
    write_text(page, document(f"Task {task}", "\n".join(body)))
