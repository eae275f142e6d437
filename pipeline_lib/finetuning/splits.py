"""Which split a window belongs to, by the contigs and intervals that are held out."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline_lib.config.corpus import Holdouts
from pipeline_lib.corpus.holdouts import read_holdouts
from pipeline_lib.genome.reader import Genome
from pipeline_lib.intervals import EMPTY

STRADDLES = ""
"""Split of windows that lie across the border of a held-out interval."""


class Splits:
    """The held-out parts of one assembly.

    Parameters
    ----------
    genome
        The assembly; contigs may be given by any name it knows.
    holdouts
        What is held out for validation and test; all else is training data.
    assembly
        Name of the assembly, for holdouts written ``assembly:contig``.

    Raises
    ------
    InputError
        If a holdout names no contig of the assembly, or a contig is held out twice.
    """

    def __init__(self, genome: Genome, holdouts: Holdouts, *, assembly: str) -> None:
        held = read_holdouts({assembly: genome}, holdouts)
        self._held = {
            split: {contig: intervals for (_, contig), intervals in places.items()}
            for split, places in held.items()
        }

    def of(self, contig: str, starts: ArrayLike, ends: ArrayLike) -> NDArray[np.str_]:
        """Return the split of each window; :data:`STRADDLES` for those not wholly in one."""
        result = np.full(np.shape(starts), "train", dtype="U5")
        for split, held in self._held.items():
            intervals = held.get(contig, EMPTY)
            result[intervals.overlaps(starts, ends)] = STRADDLES
            result[intervals.contains(starts, ends)] = split
        return result
