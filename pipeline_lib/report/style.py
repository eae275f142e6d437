"""The look of all figures, and the one way in which they are written."""

import html
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline_lib.files import atomic_path, write_text

# Okabe and Ito's colours, told apart by readers with any kind of colour vision.
BLUE, ORANGE, GREEN, RED, PURPLE, GREY = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#8A8A8A",
)  # fmt: skip
LIGHT = "#D9D9D9"
COLOURS = {
    "pretrained": BLUE, "scratch": ORANGE, "cnn": GREEN, "kmer": GREY, "constant": "#BBBBBB",
}  # fmt: skip
NAMES = {
    "pretrained": "pretrained model",
    "scratch": "same model, not pretrained",
    "cnn": "small CNN",
    "kmer": "k-mer regression",
    "constant": "always the same",
}

plt.rcParams.update(
    {
        "svg.fonttype": "none",  # text stays text: searchable, and small
        "svg.hashsalt": "dnalm",  # the same file on every run
        "font.family": "sans-serif",
        "font.size": 11,
        "axes.titlesize": 12,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": "#666666",
        "axes.labelcolor": "#333333",
        "xtick.color": "#444444",
        "ytick.color": "#444444",
        "legend.frameon": False,
        "figure.constrained_layout.use": True,
    }
)

CSS = """
:root { color-scheme: light dark; --ink: #222; --soft: #666; --line: #ddd; --paper: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eee; --soft: #aaa; --line: #444; --paper: #181818; }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 60rem; margin: 1.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p { max-width: 42rem; } .soft { color: var(--soft); font-size: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line);
         white-space: nowrap; }
th { font-weight: 600; } td.number, th.number { text-align: right; }
"""


@dataclass(frozen=True, slots=True)
class Outputs:
    """The three files of a figure."""

    figure: Path
    table: Path
    page: Path


def publish(figure: Figure, frame: pd.DataFrame, outputs: Outputs, *, title: str) -> None:
    """Write a figure as SVG, and the table behind it as TSV and HTML."""
    with atomic_path(outputs.figure) as temporary:
        figure.savefig(temporary, format="svg", metadata={"Date": None, "Title": title})
    plt.close(figure)
    write_text(outputs.table, frame.to_csv(sep="\t", index=False, lineterminator="\n"))
    write_text(outputs.page, document(title, table_html(frame)))


def canvas(
    columns: int = 1, rows: int = 1, *, width: float = 7.5, height: float = 4.2, **options: object
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its axes in reading order; sizes in inches."""
    figure, axes = plt.subplots(
        rows, columns, figsize=(width, height), squeeze=False, gridspec_kw=options or None
    )
    return figure, list(axes.flat)


def document(title: str, body: str) -> str:
    """Return a page of HTML that needs nothing from elsewhere."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{CSS}</style></head>\n"
        f"<body><h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )


def table_html(frame: pd.DataFrame) -> str:
    """Return a table as HTML; numbers stand to the right and are rounded for reading."""
    numeric = {name: pd.api.types.is_numeric_dtype(frame[name]) for name in frame.columns}
    head = "".join(_cell("th", html.escape(str(name)), numeric[name]) for name in frame.columns)
    lines = []
    for row in frame.itertuples(index=False):
        cells = zip(frame.columns, row, strict=True)
        lines.append("".join(_cell("td", _text(value), numeric[name]) for name, value in cells))
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(tag: str, text: str, number: bool) -> str:
    return f'<{tag} class="number">{text}</{tag}>' if number else f"<{tag}>{text}</{tag}>"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if pd.isna(value):
            return ""
        return f"{value:.4f}" if abs(value) < 10 else f"{value:,.1f}"
    if isinstance(value, int):
        return f"{value:,}"
    return html.escape(str(value))
