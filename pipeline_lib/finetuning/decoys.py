"""Start codons of one contig, and the ATGs that could be mistaken for them."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.config.tasks import StartSitesTask
from pipeline_lib.finetuning.coding import Coding, Transcript
from pipeline_lib.finetuning.examples import TRUE_SITE

CODON = 3
MAX_UNKNOWN_SHARE = 0.1
COLUMNS = ["position", "strand", "kind", "gene"]
# What an ATG of several kinds counts as: the first of these.
CLAIMS = (TRUE_SITE, "in_frame", "out_of_frame", "upstream", "intergenic")

Positions = NDArray[np.int64]
Row = tuple[Positions, str, str, str]


def find_start_codons(sequence: bytes) -> dict[str, Positions]:
    """Return where ATG is found, by strand, as the leftmost base on the forward strand.

    >>> {strand: p.tolist() for strand, p in find_start_codons(b"ATGCAT").items()}
    {'+': [0], '-': [3]}
    """
    letters = np.frombuffer(sequence, dtype=np.uint8)
    found = {}
    for strand, codon in (("+", b"ATG"), ("-", b"CAT")):
        matches = np.ones(max(len(letters) - CODON + 1, 0), dtype=bool)
        for offset, letter in enumerate(codon):
            matches &= letters[offset : offset + len(matches)] == letter
        found[strand] = np.flatnonzero(matches)
    return found


def window_bounds(
    positions: Positions, strand: str, settings: StartSitesTask
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return starts and ends on the forward strand of the windows around codons."""
    before, after = settings.upstream, settings.downstream
    if strand == "-":
        before, after = after, before
    return positions - before, positions + CODON + after


def true_sites(
    coding: Coding, codons: dict[str, Positions], left_out: Counter[str]
) -> dict[tuple[int, str], Transcript]:
    """Return the first transcript that starts at each distinct annotated ATG.

    Starts that cannot serve are counted in ``left_out`` by reason.
    """
    sites: dict[tuple[int, str], Transcript] = {}
    for transcript in coding.transcripts:
        position = transcript.start_codon
        if transcript.phase != 0:
            left_out["coding sequence incomplete at its 5' end"] += 1
        elif position is None:
            left_out["start codon split by an intron"] += 1
        elif not _holds(codons[transcript.strand], position):
            left_out["start codon is not ATG"] += 1
        elif (position, transcript.strand) in sites:
            left_out["same start as another transcript"] += 1
        else:
            sites[position, transcript.strand] = transcript
    return sites


def find_candidates(
    sequence: bytes, coding: Coding, settings: StartSitesTask, left_out: Counter[str]
) -> pd.DataFrame:
    """List the true sites and all decoys of a contig.

    - `upstream`: up to ``settings.upstream`` bases before the start codon, on its strand, and
      outside all coding sequence of that strand.
    - `in_frame`, `out_of_frame`: within a coding sequence, in the frame of its codons or not;
      ATGs that an intron splits are not considered.
    - `intergenic`: on either strand, with a window that touches no gene.

    Annotated start codons are never decoys. An ATG of several kinds is of the first of
    :data:`CLAIMS`.

    Returns
    -------
    DataFrame
        Columns position, and the categories strand, kind and gene; one row for each position
        and strand, sorted.
    """
    codons = find_start_codons(sequence)
    sites = true_sites(coding, codons, left_out)
    rows: list[Row] = [
        (np.array([position]), strand, TRUE_SITE, transcript.gene)
        for (position, strand), transcript in sites.items()
    ]
    for transcript in sites.values():
        rows.extend(_internal(transcript, codons[transcript.strand]))
        rows.append(_upstream(transcript, coding, codons[transcript.strand], settings.upstream))
    for strand, found in codons.items():
        free = found[~coding.genes.overlaps(*window_bounds(found, strand, settings))]
        rows.append((free, strand, "intergenic", ""))
    return _one_kind_each(rows)


def usable_windows(
    table: pd.DataFrame, sequence: bytes, settings: StartSitesTask, left_out: Counter[str]
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
    site = table["kind"].to_numpy() == TRUE_SITE
    left_out["window past the end of the contig"] += int((site & ~inside).sum())
    left_out["window with over 10 % unknown bases"] += int((site & inside & ~known).sum())
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


def _one_kind_each(rows: list[Row]) -> pd.DataFrame:
    sizes = [len(row[0]) for row in rows]
    table = pd.DataFrame({"position": np.concatenate([row[0] for row in rows])})
    for index, column in enumerate(COLUMNS[1:], start=1):
        # Categories: a large contig has millions of ATGs, and texts would take gigabytes.
        names, codes = np.unique([row[index] for row in rows], return_inverse=True)
        repeated = np.repeat(codes.astype(np.int32), sizes)
        table[column] = pd.Categorical.from_codes(repeated, pd.Index(names))
    table["rank"] = table["kind"].map(CLAIMS.index).astype(np.int8)
    table = table.sort_values(["position", "strand", "rank", "gene"], kind="stable")
    return table.drop_duplicates(["position", "strand"])[COLUMNS].reset_index(drop=True)
