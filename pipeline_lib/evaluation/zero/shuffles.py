"""Held-out sequence against the same shuffled: what a model knows beyond composition."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline_lib.config.zero import ZeroConfig
from pipeline_lib.evaluation.zero.contrast import Resampling, mean_of
from pipeline_lib.evaluation.zero.held import HeldOutSequence
from pipeline_lib.evaluation.zero.reader import Reader
from pipeline_lib.evaluation.zero.shuffling import shuffle_bases, shuffle_pairs
from pipeline_lib.randomness import named_generator
from pipeline_lib.sequence import base_codes

SHARE = 5
"""A part of the bases: each is read as it is, and shuffled in two ways."""
SHUFFLES = {"bases": shuffle_bases, "pairs of bases": shuffle_pairs}


def measure_shuffles(
    readers: Mapping[str, Reader],
    held: HeldOutSequence,
    window: int,
    settings: ZeroConfig,
    resampling: Resampling,
) -> dict[str, Any]:
    """Measure bits per base of windows as they are and shuffled, windows being resampled.

    Returns
    -------
    dict
        ``bases``, and for windows as they are and for each kind of shuffling the ``bits`` per
        base; ``more`` is how many more the shuffled ones need. Empty if there are no windows
        without gaps.
    """
    windows = choose_windows(held, window, settings.max_bases // SHARE)
    if not windows:
        return {}
    generator = named_generator(resampling.seed, "zero shuffles")
    sets = {"none": windows} | {
        name: [shuffle(one, generator) for one in windows] for name, shuffle in SHUFFLES.items()
    }
    units, sizes = np.arange(len(windows)), np.array([float(len(one)) for one in windows])
    sums = {
        name: [np.array([np.nansum(bits) for bits in reader.bits(some)])
               for reader in readers.values()]
        for name, some in sets.items()
    }  # fmt: skip

    def compare(parts: list[Any]) -> dict[str, dict[str, float]]:
        return resampling.contrast([mean_of(one, sizes) for one in parts], units)

    return {
        "bases": int(sizes.sum()),
        "windows": len(windows),
        "bits": {name: compare(parts) for name, parts in sums.items()},
        "more": {
            name: compare([new - old for new, old in zip(sums[name], sums["none"], strict=True)])
            for name in SHUFFLES
        },
    }


def choose_windows(held: HeldOutSequence, window: int, most: int) -> list[bytes]:
    """Return windows of A, C, G and T that are spread evenly over the held-out sequence."""
    every: list[bytes] = []
    for piece in held.pieces(SHARE * most):
        for first in range(0, len(piece.letters) - window + 1, window):
            letters = piece.letters[first : first + window]
            if not (base_codes(letters) > 3).any():
                every.append(letters)
    count = min(len(every), max(2, most // window))
    places = np.linspace(0, max(len(every) - 1, 0), count).round().astype(int)
    return [every[place] for place in places.tolist()]
