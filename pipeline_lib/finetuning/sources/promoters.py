"""Promoters of EPDnew, against other parts of the genome or shuffled promoters."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.config.tasks_public import PromotersTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.classes import as_column
from pipeline_lib.finetuning.sources.epdnew import Start, read_starts
from pipeline_lib.finetuning.sources.windows import (
    bounds,
    gc_share,
    needs_genome,
    resolve_contigs,
    tiles,
    with_sequences,
)
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import Intervals
from pipeline_lib.randomness import named_generator
from pipeline_lib.sequence import reverse_complement

CLASSES = ("no_promoter", "promoter")
PIECES, SHUFFLED = 20, 12
BEFORE, FROM = 49, 11
"""Bases before and from the start that EPDnew's .dat gives of every promoter."""
MAX_DIFFERENT = 0.05
NO_WINDOW = "promoter without a window of its GC content on its contig"

_CODES = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "[AG]", "Y": "[CT]", "S": "[CG]", "W": "[AT]",
    "K": "[GT]", "M": "[AC]", "B": "[CGT]", "D": "[AGT]", "H": "[ACT]", "V": "[ACG]", "N": "[ACGT]",
}  # fmt: skip


def read(settings: PromotersTask, genome: Genome | None, seed: int = 0) -> Raw:
    """Make examples of the promoters of a file, and as many that are none.

    Returns
    -------
    Raw
        ``kind`` is "tata" or "no_tata" (of a negative: that of the promoter it was made for),
        ``position`` the transcription start, which is base ``focus`` of the sequence. Promoters
        of one gene, and a promoter and what was shuffled from it, are one ``group``.

    Raises
    ------
    InputError
        If the file is malformed, names an unknown contig, or gives sequences that are not those
        of the genome.
    """
    genome = needs_genome(genome, settings.type)
    path = Path(settings.positions)
    left_out: Counter[str] = Counter()
    windows = _windows(read_starts(path), genome, settings, path, left_out)
    promoters = with_sequences(windows, genome, left_out).reset_index(drop=True)
    different = _check_assembly(promoters, genome, path)
    promoters["kind"] = _kinds(promoters["sequence"].tolist(), settings)
    if settings.negatives == "shuffled":
        others = _shuffled(promoters, seed)
    else:
        others = _genomic(promoters, windows, genome, settings, left_out, seed)
    promoters = promoters.drop(columns=["line", "published"])
    label = np.repeat([1.0, 0.0], [len(promoters), len(others)])
    table = pd.concat([promoters, others], ignore_index=True)
    table = table.assign(
        target=as_column(label[:, None]), focus=settings.upstream, assembly=settings.assembly
    )
    notes: dict[str, object] = {"published_sequences_that_differ_from_the_genome": different}
    return Raw(table, Target("class", CLASSES), left_out, notes)


def shuffle_pieces(sequence: str, random: np.random.Generator) -> str:
    """Cut a sequence into 20 equal pieces and shuffle 12 of them among their own places.

    The other 8 stay where they are, so that a shuffled promoter keeps 40 % of its structure
    (DeePromoter, Oubounyt et al. 2019). By chance a shuffle may leave a piece in its place.

    Raises
    ------
    ValueError
        If the length is no multiple of 20.
    """
    if len(sequence) % PIECES:
        raise ValueError(f"{len(sequence)} bases cannot be cut into {PIECES} equal pieces")
    size = len(sequence) // PIECES
    pieces = [sequence[start : start + size] for start in range(0, len(sequence), size)]
    places = random.choice(PIECES, size=SHUFFLED, replace=False)
    result = list(pieces)
    for place, origin in zip(places, random.permutation(places), strict=True):
        result[place] = pieces[origin]
    return "".join(result)


def match_gc(
    wanted: NDArray[np.float64],
    offered: NDArray[np.float64],
    tolerance: float,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Choose for each wanted GC share a different offer that is close to it, at random.

    Returns
    -------
    ndarray of int64
        Index of the offer, -1 where none within ``tolerance`` is left; shape (wanted,).
    """
    order = np.argsort(offered, kind="stable")
    low = np.searchsorted(offered[order], wanted - tolerance, side="left")
    high = np.searchsorted(offered[order], wanted + tolerance, side="right")
    free = np.ones(len(offered), dtype=bool)
    chosen = np.full(len(wanted), -1, dtype=np.int64)
    for index in random.permutation(len(wanted)):
        first, last = int(low[index]), int(high[index])
        if first == last:
            continue
        pick = int(random.integers(first, last))
        if not free[pick]:
            left = np.flatnonzero(free[first:last])
            if not len(left):
                continue
            pick = first + int(left[random.integers(len(left))])
        free[pick] = False
        chosen[index] = order[pick]
    return chosen


def _windows(
    starts: Sequence[Start],
    genome: Genome,
    settings: PromotersTask,
    path: Path,
    left_out: Counter[str],
) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "contig": resolve_contigs(
                [one.contig for one in starts], [one.line for one in starts], genome, path
            ),
            "position": [one.position for one in starts],
            "strand": [one.strand for one in starts],
            "gene": [one.gene for one in starts],
            "line": [one.line for one in starts],
            "published": [one.sequence for one in starts],
        }
    )
    repeated = table.duplicated(["contig", "position", "strand"])
    left_out["transcription start given twice"] += int(repeated.sum())
    table = table[~repeated]
    table["start"], table["end"] = bounds(
        table["position"], table["strand"], settings.upstream, settings.downstream
    )
    named = ~table["gene"].isin(["", "."])
    own = table["contig"] + ":" + table["position"].astype(str)
    table["group"] = pd.factorize(table["gene"].where(named, own))[0]
    return table


def _check_assembly(promoters: pd.DataFrame, genome: Genome, path: Path) -> int:
    """Compare the sequences that a .dat file gives with the genome; return how many differ."""
    given = promoters[promoters["published"].str.len() == BEFORE + FROM]
    starts, ends = bounds(given["position"], given["strand"], BEFORE, FROM)
    found = with_sequences(given.assign(start=starts, end=ends), genome, Counter())
    wrong = found[found["sequence"] != found["published"]]
    if len(wrong) > MAX_DIFFERENT * len(given):
        first = wrong.iloc[0]
        raise InputError(
            f"{len(wrong):,} of {len(given):,} promoters do not have the sequence that the file "
            f"gives, first {first['gene']!r}: the genome has {first['sequence'][:20]}...",
            path=path,
            where=f"line {first['line']}",
            expected=f"{first['published'][:20]}...",
            remedy="use the assembly version that the file was made for",
        )
    return len(wrong)


def _kinds(sequences: Sequence[str], settings: PromotersTask) -> list[str]:
    pattern = re.compile("".join(_CODES[code] for code in settings.tata))
    first, last = (max(settings.upstream + offset, 0) for offset in settings.tata_region)
    reach = last + len(settings.tata)
    found = [pattern.search(sequence, first, reach) is not None for sequence in sequences]
    return ["tata" if tata else "no_tata" for tata in found]


def _shuffled(promoters: pd.DataFrame, seed: int) -> pd.DataFrame:
    random = named_generator(seed, "shuffled promoters")
    sequences = [shuffle_pieces(sequence, random) for sequence in promoters["sequence"]]
    # They lie nowhere in the genome, but are kept with the contig of what they were made from.
    return promoters.drop(columns=["line", "published"]).assign(sequence=sequences)


def _genomic(
    promoters: pd.DataFrame,
    windows: pd.DataFrame,
    genome: Genome,
    settings: PromotersTask,
    left_out: Counter[str],
    seed: int,
) -> pd.DataFrame:
    length = settings.upstream + settings.downstream
    tables = []
    for name, rows in promoters.groupby("contig", sort=False).indices.items():
        contig, own = str(name), promoters.iloc[rows]
        random = named_generator(seed, "windows without promoter", contig)
        whole = genome.fetch(contig, 0, genome.contigs[contig]).upper()
        starts, gc = tiles(whole, length, int(random.integers(length)))
        known = windows[windows["contig"] == contig]
        taken = Intervals.union(known["start"].to_numpy(), known["end"].to_numpy())
        free = ~taken.overlaps(starts, starts + length)
        starts, gc = starts[free], gc[free]
        wanted = np.array([gc_share(sequence) for sequence in own["sequence"]])
        chosen = match_gc(wanted, gc, settings.gc_tolerance, random)
        left_out[NO_WINDOW] += int((chosen < 0).sum())
        tables.append(_drawn(own[chosen >= 0], starts[chosen[chosen >= 0]], whole, settings))
    table = pd.concat(tables, ignore_index=True)
    # Nothing is known of them: each is a group of its own, unless it is found to be homologous.
    return table.assign(group=-1, gene="")


def _drawn(
    own: pd.DataFrame, starts: NDArray[np.int64], whole: bytes, settings: PromotersTask
) -> pd.DataFrame:
    """Return windows with the strands and kinds of the promoters that they are matched to."""
    ends = starts + settings.upstream + settings.downstream
    forward = own["strand"].to_numpy() == "+"
    sequences = [
        (whole[start:end] if plus else reverse_complement(whole[start:end])).decode()
        for start, end, plus in zip(starts, ends, forward, strict=True)
    ]
    position = np.where(forward, starts + settings.upstream, ends - 1 - settings.upstream)
    table = own.drop(columns=["line", "published"])
    return table.assign(position=position, start=starts, end=ends, sequence=sequences)
