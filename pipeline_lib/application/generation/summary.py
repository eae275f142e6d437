"""What new sequences are like, beside those that a model was trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.application.fasta import Sequences, open_genome
from pipeline_lib.errors import InputError
from pipeline_lib.randomness import named_generator

SIZES = (3, 6)
"""Lengths of the k-mers that are counted."""
_DIGITS = np.full(256, 4, dtype=np.int64)
_DIGITS[list(b"ACGT")] = range(4)
_TRIES = 100

Array = NDArray[np.float64]


def summarize(sequences: Sequence[str], compare: Path | None, *, seed: int) -> dict[str, Any]:
    """Return GC, and how far the k-mers are from those of a genome.

    The distance is the square root of the Jensen-Shannon divergence in bits: 0 for the same
    frequencies, 1 for no k-mer in common. It depends on how many bases there are; beside it stand
    two of as many bases: other pieces of the genome, and random bases of its composition.

    Parameters
    ----------
    sequences
        New bases, without their prompts.
    compare
        FASTA of the genome.

    Raises
    ------
    InputError
        If the genome has no pieces of that length without N.
    """
    shares = np.array([_gc(sequence) for sequence in sequences])
    summary: dict[str, Any] = {
        "sequences": len(sequences),
        "bases": sum(map(len, sequences)),
        "gc": {"mean": float(shares.mean()), "deviation": float(shares.std())},
    }
    if compare is None:
        return summary
    genome = open_genome(compare)
    lengths = [len(sequence) for sequence in sequences]
    first, second = (
        _pieces(genome, compare, lengths, named_generator(seed, "generation", "pieces", half))
        for half in range(2)
    )
    generator = named_generator(seed, "generation", "random")
    composition = spectrum(first, 1)
    random = ["".join(generator.choice(list("ACGT"), n, p=composition)) for n in lengths]
    summary["genome"] = {"gc": {"mean": float(np.mean([_gc(piece) for piece in first]))}}
    for size in SIZES:
        target = spectrum(first, size)
        summary[f"distance_{size}mers"] = {
            "generated": distance(spectrum(sequences, size), target),
            "genome": distance(spectrum(second, size), target),
            "random_bases": distance(spectrum(random, size), target),
        }
    return summary


def spectrum(sequences: Sequence[str], size: int) -> Array:
    """Return the frequency of every k-mer, in the order of their letters; (4 ** size,)."""
    counts = np.zeros(4**size, dtype=np.int64)
    for sequence in sequences:
        digits = _DIGITS[np.frombuffer(sequence.encode(), dtype=np.uint8)]
        if len(digits) < size:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(digits, size)
        windows = windows[(windows < 4).all(axis=1)]
        counts += np.bincount(windows @ (4 ** np.arange(size)[::-1]), minlength=4**size)
    return np.asarray(counts / max(counts.sum(), 1))


def distance(first: Array, second: Array) -> float:
    """Return the square root of the Jensen-Shannon divergence, in bits."""
    middle = (first + second) / 2
    parts = [
        (one[one > 0] * np.log2(one[one > 0] / middle[one > 0])).sum() for one in (first, second)
    ]
    return float(np.sqrt(max(sum(parts) / 2, 0.0)))


def _pieces(
    genome: Sequences, path: Path, lengths: Sequence[int], generator: np.random.Generator
) -> list[str]:
    """Return pieces of a genome of these lengths, without N, at random."""
    names = list(genome.contigs)
    sizes = np.array([genome.contigs[name] for name in names])
    found = []
    for length in lengths:
        room = np.maximum(sizes - length + 1, 0)
        for _ in range(_TRIES if room.sum() else 0):
            contig = int(generator.choice(len(names), p=room / room.sum()))
            start = int(generator.integers(room[contig]))
            piece = genome.fetch(names[contig], start, start + length).decode().upper()
            if set(piece) <= set("ACGT"):
                found.append(piece)
                break
        else:
            raise InputError(
                f"no piece of {length:,} bases without N was found",
                path=path,
                remedy="compare with a genome of longer records",
            )
    return found


def _gc(sequence: str) -> float:
    return (sequence.count("G") + sequence.count("C")) / max(len(sequence), 1)
