"""Markov models of order 0 to 13: the baseline of held-out bits per base.

A model of order k predicts a base from the k bases before it. Orders are interpolated, from
the lowest to the highest: p_k = (n_k(context, base) + a_k p_(k-1)) / (n_k(context) + a_k), with
p_(-1) = 1/4 (Jelinek and Mercer 1980, in the form of MacKay and Peto 1995). A long context that
was rarely seen thus falls back on shorter ones. The strength a_k of every order is chosen on the
validation split. For comparison the plain estimate (n_k(context, base) + 1/2) /
(n_k(context) + 2) is reported, too, which overfits at high orders.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.bootstrap import mean_interval
from pipeline_lib.evaluation.covered import (
    HeldOut,
    Stretch,
    context_words,
    covered,
    held_out,
    pieces,
)
from pipeline_lib.files import atomic_path, write_json
from pipeline_lib.progress import progress_bar
from pipeline_lib.provenance import provenance
from pipeline_lib.randomness import named_generator

STRENGTHS = tuple(2.0**power for power in range(-2, 17))

Counts = list[NDArray[Any]]
Array = NDArray[np.float64]


def evaluate_markov(
    train: Path,
    test: Path,
    valid: Path,
    genomes: dict[str, Path],
    output: Path,
    settings: EvaluationConfig,
    *,
    seed: int,
    counted: Path | None = None,
) -> None:
    """Measure Markov models on the test split of a corpus and write the result as JSON.

    Every base of the training split counts once, however many passes cover it, and on both
    strands if the corpus has both. At most ``settings.max_bases`` of a held-out split are read,
    in evenly spread blocks of 10 kb, and intervals come from resampling these blocks. Memory is
    that of the counts: 4/3 of 4^(order + 1) integers of 4 bytes, 360 MB for order 12.

    Parameters
    ----------
    train, test, valid
        ``documents.parquet`` of the three splits.
    genomes
        Folder of each assembly, by name.
    output
        JSON file to write.
    settings
        Orders, and how intervals are made.
    seed
        Seed of the resampling.
    counted
        File to write with the best model itself; see :func:`write_model`.
    """
    orders = sorted(set(settings.markov_orders))
    stretches, strands = covered(train)
    counts = count_words(stretches, genomes, orders[-1], both=strands == 2)
    tuning = held_out(valid, genomes, orders[-1], settings.max_bases)
    strengths, valid_bits = choose_strengths(tuning, counts)
    measured = held_out(test, genomes, orders[-1], settings.max_bases)

    def summaries(by_order: Iterator[Array]) -> dict[str, dict[str, float]]:
        return {
            str(order): _summary(measured, probabilities, settings, seed)
            for order, probabilities in enumerate(by_order)
            if order in orders
        }

    best = min(orders, key=lambda order: valid_bits[order])
    if counted is not None:
        write_model(counted, counts[best], strengths[: best + 1])
    result = {
        "measure": "bits per base",
        "train_bases": sum(stretch.end - stretch.start for stretch in stretches),
        "test_bases": len(measured.words),
        "strands": strands,
        "markov": summaries(interpolated(measured, counts, strengths)),
        "best_order": best,
        "strengths": {str(order): strength for order, strength in enumerate(strengths)},
        "valid_bits_per_base": {str(order): valid_bits[order] for order in orders},
        "plain": summaries(plain(measured, counts)),
        "provenance": provenance(
            settings.model_dump(mode="json"),
            inputs={"train": train, "valid": valid, "test": test},
            seed=seed,
        ),
    }
    write_json(output, result)


def write_model(path: Path, longest: NDArray[np.int32], strengths: list[float]) -> None:
    """Write an interpolated Markov model: the counts of its longest words, and its strengths."""
    small = longest.astype(np.min_scalar_type(int(longest.max())))
    # Most are zero. A better compression would take ten times as long for half the size.
    packed = np.frombuffer(zlib.compress(small.tobytes(), 1), dtype=np.uint8)
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.savez(handle, packed=packed, kind=small[:0], strengths=np.array(strengths))


def read_model(path: Path) -> tuple[Counts, list[float]]:
    """Read what :func:`write_model` wrote: counts of words of every length, and strengths.

    Short words are counted as parts of longer ones. Those at the first bases of a stretch, which
    are part of none, are missing: a few among millions.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    try:
        with np.load(path) as content:
            unpacked = zlib.decompress(content["packed"])
            longest = np.frombuffer(unpacked, content["kind"].dtype).reshape(-1, 4)
            strengths = content["strengths"]
    except (OSError, ValueError, KeyError, BadZipFile, zlib.error) as error:
        raise InputError(
            f"cannot be read as a Markov model ({error})",
            path=path,
            remedy="delete the file and run snakemake again to remake it",
        ) from error
    counts: Counts = [longest]
    for k in reversed(range(len(strengths) - 1)):
        dtype = np.int64 if k < 10 else np.int32
        counts.insert(0, counts[0].reshape(4, -1, 4).sum(axis=0, dtype=dtype))
    return counts, strengths.tolist()


def count_words(
    stretches: list[Stretch], genomes: dict[str, Path], order: int, *, both: bool
) -> Counts:
    """Count the words of 1 to ``order`` + 1 bases on some stretches of genome.

    Words do not bridge letters other than A, C, G and T, nor the ends of a stretch.

    Returns
    -------
    list of ndarray
        Entry k holds the counts of words of k + 1 bases; shape (4^k, 4), context by base.
    """
    longest = np.zeros(4 ** (order + 1), dtype=np.int32)
    # A word at the start of a stretch has a shorter context and is counted at its own length;
    # all other short words are sums over the longer ones.
    edges = [np.zeros(4 ** (k + 1), dtype=np.int32) for k in range(order)]
    total = sum(stretch.end - stretch.start for stretch in stretches) * (2 if both else 1)
    with progress_bar("count words", total=total, unit="base") as bar:
        for codes, skip in pieces(stretches, genomes, context=order, both=both):
            words, context = (column[skip:] for column in context_words(codes, order))
            np.add.at(longest, words[context == order], np.int32(1))
            edge = np.flatnonzero((context >= 0) & (context < order))
            for k in np.unique(context[edge]).tolist():
                chosen = _last_bases(words[edge[context[edge] == k]], k + 1)
                np.add.at(edges[k], chosen, np.int32(1))
            bar.update(len(words))
    counts: Counts = [longest]
    for k in reversed(range(order)):
        # Counts of short words may exceed 32 bits on large genomes.
        sums = counts[0].reshape(4, -1).sum(axis=0, dtype=np.int64 if k < 10 else np.int32)
        counts.insert(0, sums + edges.pop())
    return [table.reshape(-1, 4) for table in counts]


def choose_strengths(tuning: HeldOut, counts: Counts) -> tuple[list[float], list[float]]:
    """Choose a_k on held-out sequence, order after order.

    Returns
    -------
    strengths, bits
        For each order, the strength and the bits per base that it gives.
    """
    strengths, bits = [], []
    lower = np.full(len(tuning.words), 0.25)
    for k, (seen, total) in enumerate(_gather(tuning, counts)):
        known = tuning.context >= k
        best_bits, best = min((_bits(_mix(seen, total, a, lower, known)), a) for a in STRENGTHS)
        strengths.append(best)
        bits.append(best_bits)
        lower = _mix(seen, total, best, lower, known)
    return strengths, bits


def interpolated(measured: HeldOut, counts: Counts, strengths: list[float]) -> Iterator[Array]:
    """Yield, for each order, the probability of every base; shape (bases,)."""
    lower = np.full(len(measured.words), 0.25)
    for k, (seen, total) in enumerate(_gather(measured, counts)):
        lower = _mix(seen, total, strengths[k], lower, measured.context >= k)
        yield lower


def plain(measured: HeldOut, counts: Counts) -> Iterator[Array]:
    """Yield, for each order, the add-1/2 estimate; bases with less context use a lower order."""
    lower = np.full(len(measured.words), 0.25)
    for k, (seen, total) in enumerate(_gather(measured, counts)):
        lower = np.where(measured.context >= k, (seen + 0.5) / (total + 2.0), lower)
        yield lower


def _gather(held: HeldOut, counts: Counts) -> Iterator[tuple[Array, Array]]:
    """Yield, for each order, how often each base was seen after its context, and the context."""
    for k, table in enumerate(counts):
        words = _last_bases(held.words, k + 1)
        after = table[words >> 2].astype(np.float64)
        yield after[np.arange(len(words)), words & 3], after.sum(axis=1)


def _mix(
    seen: Array, total: Array, strength: float, lower: Array, known: NDArray[np.bool_]
) -> Array:
    return np.where(known, (seen + strength * lower) / (total + strength), lower)


def _last_bases(words: NDArray[np.int64], bases: int) -> NDArray[np.int64]:
    last: NDArray[np.int64] = words & (4**bases - 1)
    return last


def _bits(probabilities: Array) -> float:
    return float(-np.log2(probabilities).mean())


def _summary(
    measured: HeldOut, probabilities: Array, settings: EvaluationConfig, seed: int
) -> dict[str, float]:
    return mean_interval(
        measured.per_block(-np.log2(probabilities)),
        measured.per_block(np.ones(len(probabilities))),
        samples=settings.bootstrap_samples,
        confidence=settings.confidence,
        generator=named_generator(seed, "markov"),  # the same resamplings for every order
    )
