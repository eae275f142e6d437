"""Start or stop codons of one contig, and the codons that could be mistaken for them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.config.tasks_genome import CodonsTask
from pipeline_lib.finetuning.coding import Coding, Transcript
from pipeline_lib.finetuning.examples import DECOYS, TRUE_SITE
from pipeline_lib.sequence import reverse_complement

CODON = 3
MAX_UNKNOWN_SHARE = 0.1
COLUMNS = ["position", "strand", "kind", "gene"]

Positions = NDArray[np.int64]
Row = tuple[Positions, str, str, str]


@dataclass(frozen=True)
class Signal:
    """A codon that means something in some places only.

    Attributes
    ----------
    site
        What true ones are called, among the kinds of examples and of the classes.
    what
        The same for people, in the plural.
    codons
        Their letters, in reading direction.
    decoys
        The kinds of decoys, in the order in which they are reported.
    claims
        What a codon of several kinds counts as: the first of these.
    at_end
        Whether true ones are the last codon of a coding sequence, and not the first.
    """

    site: str
    what: str
    codons: tuple[bytes, ...]
    decoys: tuple[str, ...]
    claims: tuple[str, ...]
    at_end: bool = False

    def position(self, transcript: Transcript) -> int | None:
        """Return the leftmost base of a transcript's true codon; None if an intron splits it."""
        return transcript.stop_codon if self.at_end else transcript.start_codon


STARTS = Signal(
    TRUE_SITE, "translation initiation sites", (b"ATG",), DECOYS,
    (TRUE_SITE, "in_frame", "out_of_frame", "upstream", "intergenic"),
)  # fmt: skip
STOPS = Signal(
    "stop", "stop codons", (b"TAA", b"TAG", b"TGA"), ("downstream", "out_of_frame", "intergenic"),
    ("stop", "out_of_frame", "downstream", "intergenic"), at_end=True,
)  # fmt: skip


def find_codons(sequence: bytes, codons: Sequence[bytes]) -> dict[str, Positions]:
    """Return where codons are found, by strand, as the leftmost base on the forward strand.

    >>> {strand: p.tolist() for strand, p in find_codons(b"ATGCAT", [b"ATG"]).items()}
    {'+': [0], '-': [3]}
    """
    letters = np.frombuffer(sequence, dtype=np.uint8)
    found = {}
    for strand in "+-":
        anywhere = np.zeros(max(len(letters) - CODON + 1, 0), dtype=bool)
        for codon in codons:
            matches = np.ones_like(anywhere)
            for offset, letter in enumerate(codon if strand == "+" else reverse_complement(codon)):
                matches &= letters[offset : offset + len(matches)] == letter
            anywhere |= matches
        found[strand] = np.flatnonzero(anywhere)
    return found


def window_bounds(
    positions: Positions, strand: str, settings: CodonsTask
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return starts and ends on the forward strand of the windows around codons."""
    before, after = settings.upstream, settings.downstream
    if strand == "-":
        before, after = after, before
    return positions - before, positions + CODON + after


def true_sites(
    coding: Coding, codons: dict[str, Positions], left_out: Counter[str], signal: Signal = STARTS
) -> dict[tuple[int, str], Transcript]:
    """Return the first transcript that has each distinct annotated codon.

    Those that cannot serve are counted in ``left_out`` by reason.
    """
    name = "stop" if signal.at_end else "start"
    letters = ", ".join(codon.decode() for codon in signal.codons)
    sites: dict[tuple[int, str], Transcript] = {}
    for transcript in coding.transcripts:
        position = signal.position(transcript)
        if transcript.phase != 0 and not signal.at_end:
            left_out["coding sequence incomplete at its 5' end"] += 1
        elif position is None:
            left_out[f"{name} codon split by an intron"] += 1
        elif not _holds(codons[transcript.strand], position):
            left_out[f"{name} codon is not {letters}"] += 1
        elif (position, transcript.strand) in sites:
            left_out[f"same {name} as another transcript"] += 1
        else:
            sites[position, transcript.strand] = transcript
    return sites


def find_candidates(
    sequence: bytes,
    coding: Coding,
    settings: CodonsTask,
    left_out: Counter[str],
    signal: Signal = STARTS,
) -> pd.DataFrame:
    """List the true sites and all decoys of a contig.

    - `upstream`: up to ``settings.upstream`` bases before the start codon, on its strand, and
      outside all coding sequence of that strand.
    - `downstream`: up to ``settings.downstream`` bases after the stop codon, in its frame and on
      its strand, and outside all coding sequence of that strand: where a ribosome that read on
      would stop.
    - `in_frame`, `out_of_frame`: within a coding sequence, in the frame of its codons or not;
      codons that an intron splits are not considered. Stop codons in frame are left alone.
    - `intergenic`: on either strand, with a window that touches no gene.

    Annotated codons are never decoys. One of several kinds is of the first of ``signal.claims``.

    Returns
    -------
    DataFrame
        Columns position, and the categories strand, kind and gene; one row for each position
        and strand, sorted.
    """
    codons = find_codons(sequence, signal.codons)
    sites = true_sites(coding, codons, left_out, signal)
    rows: list[Row] = [
        (np.array([position]), strand, signal.site, transcript.gene)
        for (position, strand), transcript in sites.items()
    ]
    for transcript in sites.values():
        found = codons[transcript.strand]
        rows.extend(row for row in _internal(transcript, found) if row[2] in signal.decoys)
        if signal.at_end:
            rows.append(_downstream(transcript, coding, found, settings.downstream))
        else:
            rows.append(_upstream(transcript, coding, found, settings.upstream))
    for strand, found in codons.items():
        free = found[~coding.genes.overlaps(*window_bounds(found, strand, settings))]
        rows.append((free, strand, "intergenic", ""))
    return _one_kind_each(rows, signal.claims)


def usable_windows(
    table: pd.DataFrame,
    sequence: bytes,
    settings: CodonsTask,
    left_out: Counter[str],
    site: str = TRUE_SITE,
) -> pd.DataFrame:
    """Add the windows of candidates; leave out those past an end or with over 10 % unknown bases.

    Returns
    -------
    DataFrame
        With the further columns start and end. True sites left out are counted in ``left_out``.
    """
    forward = table["strand"].to_numpy() == "+"
    positions = table["position"].to_numpy()
    bounds = [window_bounds(positions, strand, settings) for strand in "+-"]
    start, end = (np.where(forward, *sides) for sides in zip(*bounds, strict=True))
    inside = (start >= 0) & (end <= len(sequence))
    unknown = np.flatnonzero(~np.isin(np.frombuffer(sequence, np.uint8), list(b"ACGT")))
    count = np.searchsorted(unknown, end) - np.searchsorted(unknown, start)
    known = count <= MAX_UNKNOWN_SHARE * (end - start)
    true = table["kind"].to_numpy() == site
    left_out["window past the end of the contig"] += int((true & ~inside).sum())
    left_out["window with over 10 % unknown bases"] += int((true & inside & ~known).sum())
    usable: pd.DataFrame = table.assign(start=start, end=end)[inside & known]
    return usable


def _holds(codons: Positions, position: int) -> bool:
    index = int(np.searchsorted(codons, position))
    return index < len(codons) and int(codons[index]) == position


def _internal(transcript: Transcript, codons: Positions) -> Iterator[Row]:
    spliced = 0
    for start, end in transcript.parts:
        low, high = np.searchsorted(codons, [start, end - CODON + 1])
        found = codons[low : max(low, high)]
        depth = found - start if transcript.strand == "+" else end - CODON - found
        in_frame = (spliced + depth) % CODON == 0
        yield found[in_frame], transcript.strand, "in_frame", transcript.gene
        yield found[~in_frame], transcript.strand, "out_of_frame", transcript.gene
        spliced += end - start


def _upstream(transcript: Transcript, coding: Coding, codons: Positions, reach: int) -> Row:
    site = transcript.start_codon
    assert site is not None
    left = site - reach if transcript.strand == "+" else site + CODON
    found = codons[slice(*np.searchsorted(codons, [left, left + max(reach - CODON + 1, 0)]))]
    free = found[~coding.coding[transcript.strand].overlaps(found, found + CODON)]
    return free, transcript.strand, "upstream", transcript.gene


def _downstream(transcript: Transcript, coding: Coding, codons: Positions, reach: int) -> Row:
    site = transcript.stop_codon
    assert site is not None
    left = site + CODON if transcript.strand == "+" else site - reach
    found = codons[slice(*np.searchsorted(codons, [left, left + max(reach - CODON + 1, 0)]))]
    found = found[(found - site) % CODON == 0]
    free = found[~coding.coding[transcript.strand].overlaps(found, found + CODON)]
    return free, transcript.strand, "downstream", transcript.gene


def _one_kind_each(rows: list[Row], claims: Sequence[str]) -> pd.DataFrame:
    sizes = [len(row[0]) for row in rows]
    table = pd.DataFrame({"position": np.concatenate([row[0] for row in rows])})
    for index, column in enumerate(COLUMNS[1:], start=1):
        # Categories: a large contig has millions of ATGs, and texts would take gigabytes.
        names, codes = np.unique([row[index] for row in rows], return_inverse=True)
        repeated = np.repeat(codes.astype(np.int32), sizes)
        table[column] = pd.Categorical.from_codes(repeated, pd.Index(names))
    table["rank"] = table["kind"].map(claims.index).astype(np.int8)
    table = table.sort_values(["position", "strand", "rank", "gene"], kind="stable")
    return table.drop_duplicates(["position", "strand"])[COLUMNS].reset_index(drop=True)
