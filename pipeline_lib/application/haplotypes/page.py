"""The page of the report: one file that opens offline."""

import base64
import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline_lib.application.haplotypes.figures import CAPTIONS
from pipeline_lib.files import write_text
from pipeline_lib.report.style import document, table_html

# column: its title, digits
SHOWN = {
    "af_r": ("allele frequency r", 4),
    "af_mae": ("allele frequency error", 4),
    "ld_r": ("pairwise r² r", 4),
    "decay_rmse": ("LD decay error", 4),
    "distance": ("distance within", 1),
    "distance_w1": ("W1 of distances", 2),
    "pc1_w1": ("W1 of PC1", 3),
    "pc2_w1": ("W1 of PC2", 3),
    "triple_r": ("triplets r", 3),
    "aa_truth": ("AAtruth", 3),
    "aa_syn": ("AAsyn", 3),
    "aats": ("AATS", 3),
    "privacy": ("privacy score", 3),
    "copies": ("copies of training", 0),
    "repeated": ("repeated", 0),
}
NOTE = (
    "Each set beside all real haplotypes; brackets hold the 95 % interval, from leaving "
    "out each of 20 groups of individuals in turn, or of the share of nearest neighbours. W1 is "
    "the Wasserstein-1 distance: of distances in sites, of components in standard deviations of "
    "real haplotypes. The privacy score is AATS of the individuals kept for testing less that of "
    "as many trained on: above 0, haplotypes of training are nearer than they should be. "
    "“real, halves” compares one half of the individuals with the other: the best that can be "
    "expected of half as many haplotypes. AATS alone is no proof of quality: a sampler "
    "without any linkage can come close to 0.5 with AAtruth near 1 and AAsyn near 0."
)


def write_page(
    path: Path, about: dict[str, Any], table: pd.DataFrame, figures: Mapping[str, Path]
) -> None:
    """Write the page: what was compared, the table and every figure."""
    real = about["real"]
    splits = ", ".join(f"{count:,} {name}" for name, count in real["splits"].items())
    intro = (
        f"{real['haplotypes']:,} real haplotypes ({splits}) of {real['sites']:,} sites; two of "
        f"them differ at {real['distance']:.1f} sites on average. The Markov chain has order "
        f"{about['markov_order']}, chosen on the individuals to validate on."
    )
    parts = [f"<p>{html.escape(intro)}</p>", table_html(readable(table))]
    parts.append(f'<p class="soft">{html.escape(NOTE)}</p>')
    for name, figure in figures.items():
        content = base64.b64encode(figure.read_bytes()).decode()
        title, _, rest = map(html.escape, CAPTIONS[name].partition(". "))
        parts.append(
            f'<h2 id="{name}">{title.rstrip(".")}</h2>\n'
            f'<p class="soft">{rest} <a href="{name}.tsv">Table</a></p>\n'
            f'<img alt="{title}" src="data:image/svg+xml;base64,{content}" '
            'style="max-width:100%;background:white">'
        )
    write_text(path, document("Artificial genomes", "\n".join(parts)))


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of scores as text, sets as columns."""
    columns: dict[str, list[str]] = {"": [title for title, _ in SHOWN.values()]}
    for row in table.to_dict("records"):
        columns[str(row["set"])] = [_cell(row, key, digits) for key, (_, digits) in SHOWN.items()]
    return pd.DataFrame(columns)


def _cell(row: dict[Any, Any], key: str, digits: int) -> str:
    value = row[key]
    if pd.isna(value):
        return "-"
    text = f"{value:,.{digits}f}"
    low, high = row.get(f"{key}_low"), row.get(f"{key}_high")
    if low is None or high is None or pd.isna(low):
        return text
    return f"{text} [{low:.{digits}f}, {high:.{digits}f}]"
