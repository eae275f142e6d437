"""Stretches that matter, compared with known motifs.

Which motif fits a stretch best is decided by the largest of all z-scores, and how surprising that
is by random bases of the same importance: the largest of theirs (Westfall and Young 1993), so that
a large collection of motifs is not at an advantage. The stretches are many too: their p-values are
made q-values (Benjamini and Hochberg 1995).

A short motif fits too many random bases to be told in a single stretch, but not in many: how often
each motif fits best is compared with how often it fits random bases best.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from pipeline_lib.application.explanation.model import Array
from pipeline_lib.application.explanation.motifs import Motif
from pipeline_lib.application.explanation.seqlets import Seqlet
from pipeline_lib.randomness import named_generator
from pipeline_lib.sequence import base_codes, reverse_complement

OVERLAP = 0.6
"""Share of the shorter of stretch and motif that must lie on the other."""


def match(
    sequences: Sequence[str],
    importance: Sequence[Array],
    seqlets: Sequence[Seqlet],
    motifs: Sequence[Motif],
    *,
    permutations: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the motif that fits each stretch best, and how often each motif does.

    Pearson's correlation between the columns of the motif and the importance of the bases under
    them, at the best place and on either strand.

    Returns
    -------
    matches
        A row for each stretch: ``sequence`` (number), ``start``, ``end``, ``bases``,
        ``importance``; ``motif``, ``name``, ``strand``, ``motif_start`` (the first base under
        the motif, of the sequence), ``consensus``, ``correlation``, ``p`` and ``q``.
    fits
        A row for each motif that fits best somewhere: ``seqlets``, how many stretches;
        ``expected``, of as many random ones; mean ``correlation``; ``p`` of so many or more
        (binomial) and ``q`` over all motifs.
    """
    if not len(seqlets) or not len(motifs):
        return pd.DataFrame(columns=list(_COLUMNS)), pd.DataFrame(columns=list(_FITS))
    flank = max(len(motif.shares) for motif in motifs)
    width = seqlets[0].end - seqlets[0].start
    known = _windows(sequences, importance, seqlets, flank)
    null = _random(known, permutations, named_generator(seed, "explain", "motifs"))
    real, random = _Best.of(len(seqlets)), _Best.of(permutations)
    for number, motif in enumerate(motifs):
        expected, places = _correlate(null, motif, flank, width)
        mean, deviation = expected.mean(), max(float(expected.std()), 1e-9)
        random.take(number, (expected - mean) / deviation, expected, places)
        found, places = _correlate(known, motif, flank, width)
        real.take(number, (found - mean) / deviation, found, places)
    above = np.sort(random.scores)
    rank = np.searchsorted(above, real.scores - 1e-12)
    p = (1 + permutations - rank) / (1 + permutations)
    return _table(sequences, seqlets, motifs, real, p), _fits(motifs, real, random)


def q_values(p: Array) -> Array:
    """Return the false discovery rate at which each p-value would be accepted."""
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    found = np.empty(len(p))
    found[order] = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1)
    return found


class _Best(NamedTuple):
    """The best motif of each window so far.

    Attributes
    ----------
    scores, correlations
        (windows,).
    motifs, places
        Its number; the first base under it, from that of the stretch, and 1 for the other
        strand. Shapes (windows,) and (windows, 2).
    """

    scores: Array
    correlations: Array
    motifs: NDArray[np.int64]
    places: NDArray[np.int64]

    @classmethod
    def of(cls, count: int) -> "_Best":
        """Return what is known before the first motif."""
        whole = np.zeros(count, dtype=np.int64)
        return cls(np.full(count, -np.inf), np.zeros(count), whole, np.zeros((count, 2), int))

    def take(
        self, number: int, scores: Array, correlations: Array, places: NDArray[np.int64]
    ) -> None:
        """Take a motif where it fits better than all before it."""
        better = scores > self.scores
        self.motifs[better] = number
        for own, other in (
            (self.scores, scores), (self.correlations, correlations), (self.places, places)
        ):  # fmt: skip
            own[better] = other[better]


def _fits(motifs: Sequence[Motif], real: _Best, random: _Best) -> pd.DataFrame:
    """Return how often each motif fits best, beside how often it fits random bases best."""
    seen = np.bincount(real.motifs, minlength=len(motifs))
    # One more, so that what was never seen of random bases is not taken for impossible.
    shares = (np.bincount(random.motifs, minlength=len(motifs)) + 1) / (len(random.motifs) + 1)
    total = len(real.motifs)
    p = scipy.stats.binom.sf(seen - 1, total, np.minimum(shares, 1.0))
    sums = np.bincount(real.motifs, weights=real.correlations, minlength=len(motifs))
    table = pd.DataFrame(
        {
            "motif": [motif.id for motif in motifs],
            "name": [motif.name for motif in motifs],
            "consensus": [motif.consensus for motif in motifs],
            "seqlets": seen,
            "expected": total * shares,
            "correlation": sums / np.maximum(seen, 1),
            "p": p,
            "q": q_values(p),
        }
    )
    found: pd.DataFrame = table[table["seqlets"] > 0].sort_values(
        ["q", "p", "seqlets", "motif"], ascending=[True, True, False, True], ignore_index=True
    )
    return found


_COLUMNS = (
    "sequence", "start", "end", "bases", "importance", "motif", "name", "strand", "motif_start",
    "consensus", "correlation", "p", "q",
)  # fmt: skip


_FITS = ("motif", "name", "consensus", "seqlets", "expected", "correlation", "p", "q")


def _windows(
    sequences: Sequence[str], importance: Sequence[Array], seqlets: Sequence[Seqlet], flank: int
) -> tuple[NDArray[np.int64], Array]:
    """Return codes of bases and importances of stretches with their flanks.

    Past the end of a sequence the importance is 0, and the code that of no base. Of a stretch
    that lowers the output importances are turned round. Shapes (stretches, width with flanks).
    """
    width = seqlets[0].end - seqlets[0].start + 2 * flank
    codes, values = np.full((len(seqlets), width), 4), np.zeros((len(seqlets), width))
    for row, seqlet in enumerate(seqlets):
        text = sequences[seqlet.number]
        first, last = max(0, seqlet.start - flank), min(len(text), seqlet.end + flank)
        start = first - (seqlet.start - flank)
        part = slice(start, start + last - first)
        codes[row, part] = base_codes(text[first:last].encode())
        sign = 1 if seqlet.importance >= 0 else -1
        values[row, part] = sign * importance[seqlet.number][first:last]
    return codes, values


def _random(
    known: tuple[NDArray[np.int64], Array], count: int, generator: np.random.Generator
) -> tuple[NDArray[np.int64], Array]:
    """Return random bases, as frequent as in all stretches, with the importances of some."""
    codes, values = known
    rows = generator.integers(len(values), size=count)
    shares = np.bincount(codes[codes < 4], minlength=4) / max((codes < 4).sum(), 1)
    drawn = generator.choice(4, size=(count, values.shape[1]), p=shares)
    return np.where(codes[rows] < 4, drawn, 4), values[rows]


def _correlate(
    windows: tuple[NDArray[np.int64], Array], motif: Motif, flank: int, width: int
) -> tuple[Array, NDArray[np.int64]]:
    """Return the best correlation of each window with a motif, and where it is.

    Returns
    -------
    correlations, places
        (windows,); and (windows, 2): the first base under the motif, counted from that of the
        stretch, and 1 where it is the motif of the other strand.
    """
    codes, values = windows
    size = len(motif.shares)
    least = int(np.ceil(OVERLAP * min(size, width)))
    starts = np.arange(flank - size + least, flank + width - least + 1)
    best, places = np.full(len(codes), -np.inf), np.zeros((len(codes), 2), dtype=np.int64)
    one_hot = np.eye(5)[codes][..., :4] * values[..., None]  # (windows, width, 4)
    for turned, one in enumerate((motif, motif.turned())):
        centred = (one.shares - one.shares.mean()).ravel()
        norm = np.linalg.norm(centred)
        for start in starts:
            under = one_hot[:, start : start + size].reshape(len(codes), -1)
            spread = np.sqrt((under**2).sum(axis=1) - under.sum(axis=1) ** 2 / under.shape[1])
            scale = np.maximum(spread * norm, 1e-12)
            found = under @ centred / scale
            better = found > best + 1e-12
            best[better] = found[better]
            places[better] = start - flank, turned
    return best, places


def _table(
    sequences: Sequence[str],
    seqlets: Sequence[Seqlet],
    motifs: Sequence[Motif],
    best: _Best,
    p: Array,
) -> pd.DataFrame:
    rows = []
    for seqlet, number, (place, turned), correlation, value, q in zip(
        seqlets, best.motifs, best.places.tolist(), best.correlations, p, q_values(p), strict=True
    ):
        motif = motifs[number]
        text = sequences[seqlet.number][seqlet.start : seqlet.end]
        consensus = motif.consensus
        if turned:
            consensus = reverse_complement(consensus.encode()).decode()
        rows.append(
            (
                seqlet.number, seqlet.start, seqlet.end, text, seqlet.importance, motif.id,
                motif.name, "-" if turned else "+", seqlet.start + place, consensus,
                float(correlation), float(value), float(q),
            )
        )  # fmt: skip
    return pd.DataFrame(rows, columns=list(_COLUMNS))
