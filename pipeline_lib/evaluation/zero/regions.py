"""Bits per base by type of region, beside the best Markov model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.config.zero import ZeroConfig
from pipeline_lib.evaluation.zero.contrast import Resampling, mean_of
from pipeline_lib.evaluation.zero.genes import REGIONS, Regions, read_regions
from pipeline_lib.evaluation.zero.held import HeldOutSequence, Piece
from pipeline_lib.evaluation.zero.reader import Reader

FEWEST = 100
"""Bases of a type of region below which nothing is said about it."""


def measure_regions(
    readers: Mapping[str, Reader],
    held: HeldOutSequence,
    annotations: Mapping[str, Path],
    settings: ZeroConfig,
    resampling: Resampling,
) -> list[dict[str, Any]]:
    """Measure bits per base, blocks of 10 kb being resampled.

    Sequence is read on the forward strand. Without annotation there are no types but soft-masked
    and other sequence.

    Parameters
    ----------
    readers
        The model and the Markov model.
    annotations
        ``annotation.gff3.gz`` by assembly, of those that have one.

    Returns
    -------
    list of dict
        For each type its ``region``, ``bases``, and the two models' bits with the difference.
    """
    pieces = list(held.pieces(settings.max_bases))
    bits = [np.concatenate(reader.bits([p.letters for p in pieces])) for reader in readers.values()]
    blocks = np.concatenate([np.full(len(p.letters), p.block) for p in pieces])
    known = ~np.isnan(np.stack(bits)).any(axis=0)
    found = []
    for name, wanted in _types(pieces, annotations, settings.promoter).items():
        chosen = known & wanted
        if chosen.sum() < FEWEST:
            continue
        ones, inside = np.ones(int(chosen.sum())), blocks[chosen]
        sizes, *sums = (
            np.bincount(inside, one, int(blocks.max()) + 1).astype(np.float64)
            for one in (ones, *(values[chosen] for values in bits))
        )
        statistics = [mean_of(one, sizes) for one in sums]
        compared = resampling.contrast(statistics, np.arange(len(sizes)))
        found.append({"region": name, "bases": int(chosen.sum()), **compared})
    return found


def _types(
    pieces: list[Piece], annotations: Mapping[str, Path], promoter: int
) -> dict[str, NDArray[np.bool_]]:
    """Return which bases are of each type; all pieces in a row."""
    soft = np.concatenate([piece.soft_masked for piece in pieces])
    types: dict[str, NDArray[np.bool_]] = {"all": np.ones(len(soft), dtype=bool)}
    if soft.any():
        types |= {"soft-masked": soft, "not soft-masked": ~soft}
    regions: dict[str, dict[str, Regions]] = {}
    for assembly in sorted({piece.assembly for piece in pieces} & set(annotations)):
        contigs = {piece.contig for piece in pieces if piece.assembly == assembly}
        regions[assembly] = read_regions(annotations[assembly], contigs, promoter)
    numbers = np.concatenate([_numbers(piece, regions) for piece in pieces])
    return types | {name: numbers == number for number, name in enumerate(REGIONS)}


def _numbers(piece: Piece, regions: dict[str, dict[str, Regions]]) -> NDArray[np.int8]:
    size = len(piece.letters)
    if piece.assembly not in regions:
        return np.full(size, -1, dtype=np.int8)
    of_contig = regions[piece.assembly].get(piece.contig, Regions({}))
    return of_contig.of(piece.start, piece.start + size)
