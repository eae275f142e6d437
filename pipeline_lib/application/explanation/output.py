"""The folder of an explanation: tables, logos, tracks, motifs, and a page that shows them."""

import base64
import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipeline_lib import __version__
from pipeline_lib.application.explanation import tracks
from pipeline_lib.application.explanation.average import average
from pipeline_lib.application.explanation.logo import (
    BASES,
    average_heights,
    heat_map,
    heights_of,
    logo,
)
from pipeline_lib.application.explanation.matching import match
from pipeline_lib.application.explanation.model import Array
from pipeline_lib.application.explanation.motifs import Motif
from pipeline_lib.application.explanation.seqlets import find_seqlets
from pipeline_lib.application.explanation.settings import Settings
from pipeline_lib.application.fasta import open_genome
from pipeline_lib.application.inputs import SEQUENCE, has_place
from pipeline_lib.files import write_json
from pipeline_lib.report.style import document, table_html

PATH = ("baseline", "error", "steps", "complete")
SHOWN_ROWS = 50
WORDS = {
    "mutagenesis": "Importance of a base: minus the mean effect of its three changes on the {}.",
    "gradients": "Importance of a base: its share, by integrated gradients, in the {}.",
    "dependencies": "Rows are changed, columns expected: the largest {} that a change brings. "
    "The letters of a logo are as tall as the mean of a row.",
}


@dataclass(frozen=True)
class Explained:
    """Sequences, and what was found for each.

    Attributes
    ----------
    table
        As :func:`pipeline_lib.application.inputs.read_inputs` gives it.
    found
        For each the arrays of its method: ``value``, ``importance``, and others.
    measure
        What was explained.
    settings
        What was asked for.
    focus
        Base of each sequence that it is about; shape (sequences,).
    """

    table: pd.DataFrame
    found: list[dict[str, Array]]
    measure: str
    settings: Settings
    focus: NDArray[np.int64]

    @property
    def importance(self) -> list[Array]:
        """Of each base of each sequence."""
        return [one["importance"] for one in self.found]


def write_folder(
    folder: Path,
    explained: Explained,
    *,
    genome: Path | None,
    motifs: Sequence[Motif],
    about: Mapping[str, Any],
) -> None:
    """Write all files of an explanation into an empty folder.

    Parameters
    ----------
    folder
        To write into.
    explained
        What was found.
    genome
        Whose contigs a bigWig file needs.
    motifs
        That stretches are compared with; none to leave that out.
    about
        What made it.
    """
    body = [f"<p>{_words(explained)}</p>"]
    sequences = _sequences(explained)
    sequences.to_csv(folder / "sequences.tsv", sep="\t", index=False, lineterminator="\n")
    _write_bases(folder / "bases.parquet", explained)
    if explained.settings.method == "dependencies":
        maps = {f"{number}": one["map"] for number, one in enumerate(explained.found)}
        np.savez_compressed(folder / "maps.npz", **maps)  # type: ignore[arg-type]
    body += _average(folder, explained) if explained.settings.average else []
    body += _motifs(folder, explained, motifs) if motifs else []
    body += _tracks(folder, explained, genome)
    body += _logos(folder, explained)
    body.append("<h2>Sequences</h2>" + table_html(sequences.head(SHOWN_ROWS)))
    if len(sequences) > SHOWN_ROWS:
        body.append(f'<p class="soft">All {len(sequences):,} are in sequences.tsv.</p>')
    title = f"What decides about the {explained.measure}"
    if explained.settings.method == "dependencies":
        title = "Which bases depend on which"
    (folder / "index.html").write_text(document(title, "\n".join(body)))
    # Without the fingerprint of the code, which changes more often than what is computed.
    known = {key: value for key, value in about.items() if key != "code"}
    write_json(folder / "explain.json", {"version": __version__, **known})


def _words(explained: Explained) -> str:
    text = WORDS[explained.settings.method].format(explained.measure)
    return html.escape(f"{text} Numbers of every base are in bases.parquet.")


def _sequences(explained: Explained) -> pd.DataFrame:
    """Return a row for each sequence: where it lies, its value, and how gradients went."""
    table = explained.table[["name", "contig", "start", "end", "strand"]]
    table = table.assign(
        number=np.arange(len(table)),
        length=explained.table[SEQUENCE].str.len(),
        value=[float(one["value"][0]) for one in explained.found],
    )
    if explained.settings.method == "gradients":
        columns = np.stack([one["path"] for one in explained.found]).T
        table = table.assign(**dict(zip(PATH, columns, strict=True)))
        table = table.assign(steps=table["steps"].astype(int), complete=table["complete"] > 0)
    found: pd.DataFrame = table[["number", *(name for name in table if name != "number")]]
    return found


def _write_bases(path: Path, explained: Explained) -> None:
    """Write a row for each base: its importance, and the effect of A, C, G and T in its place."""
    table = explained.table
    lengths = table[SEQUENCE].str.len().to_numpy()
    places = np.concatenate([np.arange(length) for length in lengths])
    number = np.repeat(np.arange(len(table)), lengths)
    turned = (table["strand"] == "-").to_numpy()[number]
    start, end = table["start"].to_numpy()[number], table["end"].to_numpy()[number]
    forward = np.where(turned, end - 1 - places, start + places)
    columns = {
        "number": number.astype(np.int32),
        "place": places.astype(np.int32),
        "base": list("".join(table[SEQUENCE])),
        "contig": table["contig"].to_numpy()[number],
        "position": np.where(has_place(table).to_numpy()[number], forward, -1),
        "importance": np.concatenate(explained.importance).astype(np.float32),
    }
    if explained.settings.method == "mutagenesis":
        effects = np.concatenate([one["effects"] for one in explained.found]).astype(np.float32)
        columns |= {f"effect_{base}": effects[:, code] for code, base in enumerate(BASES)}
    pq.write_table(pa.table(columns), path, compression="zstd")


def _average(folder: Path, explained: Explained) -> list[str]:
    settings = explained.settings
    texts = list(explained.table[SEQUENCE])
    table = average(texts, explained.importance, explained.focus, seed=settings.seed)
    table.to_csv(folder / "average.tsv", sep="\t", index=False, lineterminator="\n")
    figure = logo(
        average_heights(table),
        title=f"Mean over {len(explained.table):,} sequences: {explained.measure}",
        label="importance",
        below="base, counted from the one at which sequences are aligned",
        first=int(table["place"].iloc[0]),
        band=(table["low"].to_numpy(), table["high"].to_numpy()),
        mark=0,
    )
    text = (
        "Letters sum to the mean importance of their place, with its 95 % interval over "
        "resamplings of sequences; 0 is the base at which they are aligned."
    )
    return [
        "<h2>Average</h2>", _image(folder, figure, "average.svg", "mean importance"),
        f"<p>{text}</p>",
    ]  # fmt: skip


def _motifs(folder: Path, explained: Explained, motifs: Sequence[Motif]) -> list[str]:
    settings, names = explained.settings, list(explained.table["name"])
    seqlets = find_seqlets(explained.importance, settings.seqlet_width, settings.most_seqlets)
    matches, table = match(
        list(explained.table[SEQUENCE]), explained.importance, seqlets, motifs,
        permutations=settings.permutations, seed=settings.seed,
    )  # fmt: skip
    named = matches.assign(of=[names[number] for number in matches["sequence"]])
    named.to_csv(folder / "seqlets.tsv", sep="\t", index=False, lineterminator="\n")
    table.to_csv(folder / "motifs.tsv", sep="\t", index=False, lineterminator="\n")
    good = int((matches["q"] <= settings.level).sum())
    text = (
        f"{len(matches):,} stretches of {settings.seqlet_width} bases stand out; for {good:,} of "
        f"them one of {len(motifs):,} motifs fits better than random bases of the same importance "
        f"(q at most {settings.level:g}). The table says how often each motif fits best, and how "
        "often it would fit random bases best."
    )
    return ["<h2>Motifs</h2>", f"<p>{text}</p>", table_html(table.head(SHOWN_ROWS))]


def _tracks(folder: Path, explained: Explained, genome: Path | None) -> list[str]:
    track = tracks.track_of(explained.table, explained.importance)
    if not track:
        return []
    tracks.write_bedgraph(folder / "importance.bedgraph", track, explained.measure)
    text = "importance.bedgraph"
    if genome is not None and tracks.has_bigwig():
        source = open_genome(genome)
        known = {contig: source.resolve(contig) for contig in track}
        renamed = {name: track[contig] for contig, name in known.items() if name is not None}
        if renamed:
            tracks.write_bigwig(folder / "importance.bw", renamed, source.contigs)
            text += " and importance.bw"
    else:
        text += (
            "; importance.bw needs the genome (<code>--genome</code>)"
            if genome is None
            else "; importance.bw needs pyBigWig (<code>pip install dnalm[tracks]</code>)"
        )
    return [f'<p class="soft">For genome browsers: {text}.</p>']


def _logos(folder: Path, explained: Explained) -> list[str]:
    body = ["<h2>One by one</h2>"] if explained.settings.logos else []
    drawn = explained.table.head(explained.settings.logos)
    for number, (name, sequence) in enumerate(zip(drawn["name"], drawn[SEQUENCE], strict=True)):
        file = f"logos/{number + 1:04d}_{_plain(name)}"
        heights = heights_of(explained.importance[number], sequence)
        mark = int(explained.focus[number])
        figure = logo(heights, title=name, label="importance", mark=mark)
        body.append(_image(folder, figure, f"{file}.svg", f"logo of {name}"))
        if explained.settings.method == "dependencies":
            figure = heat_map(explained.found[number]["map"], sequence, title=name)
            body.append(_image(folder, figure, f"{file}_map.svg", f"map of {name}"))
    return body


def _image(folder: Path, figure: Figure, name: str, words: str) -> str:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None, "Title": words})
    plt.close(figure)
    # Within the page, so that it can be sent to somebody, and stand in a report.
    content = base64.b64encode(path.read_bytes()).decode()
    shown, where = html.escape(words, quote=True), html.escape(name, quote=True)
    return (
        f'<div class="scroll"><img src="data:image/svg+xml;base64,{content}" alt="{shown}" '
        f'title="{where}" style="background:#fff"></div>'
    )


def _plain(name: str) -> str:
    """Return a name as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", name)[:60].strip("_.") or "sequence"
