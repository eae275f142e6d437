"""What the run cost: time and memory of every rule."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_lib.errors import InputError
from pipeline_lib.report.style import BLUE, GREEN, Outputs, canvas, publish


def costs(benchmarks: Path, *, outputs: Outputs) -> None:
    """Draw run time and peak memory of all jobs, from Snakemake's benchmark files.

    Parameters
    ----------
    benchmarks
        Folder of the benchmark files, one for each job, in folders named by stage.
    """
    rows = []
    for file in sorted(benchmarks.rglob("*.tsv")):
        values = pd.read_csv(file, sep="\t", na_values="-").iloc[-1]
        parts = file.relative_to(benchmarks).with_suffix("").parts
        rows.append(
            {
                "stage": parts[0],
                "job": " ".join(parts),
                "seconds": float(values["s"]),
                "peak memory (MB)": float(values["max_rss"]),
                "CPU seconds": float(values["cpu_time"]),
            }
        )
    rows = [row for row in rows if row["stage"] != "report"]
    if not rows:
        raise InputError(
            "holds no benchmark files", path=benchmarks, remedy="run `snakemake --cores 2` first"
        )
    frame = pd.DataFrame(rows)
    shown = frame.iloc[::-1]
    places = np.arange(len(shown))
    figure, (left, right) = canvas(2, width=9.5, height=0.27 * len(shown) + 1.4)
    for axis, column, colour, text in (
        (left, "seconds", BLUE, "{:.0f} s"),
        (right, "peak memory (MB)", GREEN, "{:.0f} MB"),
    ):
        axis.barh(places, shown[column].fillna(0), color=colour, height=0.7)
        for place, value in enumerate(shown[column].fillna(0)):
            axis.text(value, place, " " + text.format(value), va="center", fontsize=8.5)
        axis.set_xlim(right=max(1.0, float(shown[column].max())) * 1.2)
        axis.set_xlabel(column)
    left.set_yticks(places, shown["job"], fontsize=8.5)
    right.set_yticks([])
    left.set_title("Run time")
    right.set_title("Peak memory")
    publish(figure, frame, outputs, title="Run time and memory")
