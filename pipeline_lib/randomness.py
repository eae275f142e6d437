"""Random generators named by what they are for, so that the order of the work does not matter."""

import zlib

import numpy as np


def named_generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator of one purpose: the same for a seed and the same names, always.

    >>> first, again = named_generator(1, "decoys", "chrI"), named_generator(1, "decoys", "chrI")
    >>> bool(first.random() == again.random())
    True
    """
    key = [name if isinstance(name, int) else zlib.crc32(name.encode()) for name in names]
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=key)
    return np.random.Generator(np.random.Philox(sequence))
