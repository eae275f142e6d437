"""Surprise around start and stop codons and splice sites, beside the same at matched decoys.

A decoy is the same two or three bases elsewhere: on the same strand, within 5 kb, where the share
of G and C around is most alike.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.config.zero import ZeroConfig
from pipeline_lib.evaluation.metrics import auroc
from pipeline_lib.evaluation.zero.contrast import Resampling
from pipeline_lib.evaluation.zero.held import HeldOutSequence, Place
from pipeline_lib.evaluation.zero.reader import Array, Reader
from pipeline_lib.randomness import named_generator
from pipeline_lib.sequence import reverse_complement

MOTIFS = {
    "start": (b"ATG",),
    "stop": (b"TAA", b"TAG", b"TGA"),
    "donor": (b"GT",),
    "acceptor": (b"AG",),
}
AROUND = 20
"""Bases on either side of a site's first one that are looked at."""
NEAR = 5_000
COMPOSITION = 50
FEWEST = 10


@dataclass(frozen=True, slots=True)
class Pair:
    """A site and its decoy, as windows in which the site begins at the middle."""

    site: Place
    decoy: Place
    windows: tuple[bytes, bytes]


def measure_sites(
    readers: Mapping[str, Reader],
    held: HeldOutSequence,
    sites: Mapping[str, list[Place]],
    window: int,
    settings: ZeroConfig,
    resampling: Resampling,
) -> dict[str, dict[str, Any]]:
    """Measure the bits of every base around sites and decoys, genes being resampled.

    Parameters
    ----------
    sites
        All sites of each kind.
    window
        Bases that are read.

    Returns
    -------
    dict
        For each kind of which there are enough: how many ``sites``; ``auroc`` of their ``motif``
        and of all bases ``around``, true sites being expected to surprise less; and ``profile``,
        mean bits at each position for model and Markov model, sites and decoys.
    """
    found = {}
    for kind, places in sites.items():
        pairs = choose_pairs(held, kind, places, window, settings.sites, resampling.seed)
        if len(pairs) >= FEWEST:
            found[kind] = _measure(readers, kind, pairs, window, resampling)
    return found


def _measure(
    readers: Mapping[str, Reader],
    kind: str,
    pairs: list[Pair],
    window: int,
    resampling: Resampling,
) -> dict[str, Any]:
    middle = window // 2
    sequences = [one for pair in pairs for one in pair.windows]
    genes = np.repeat([pair.site.gene for pair in pairs], 2)
    is_site = np.tile([True, False], len(pairs))
    size = len(MOTIFS[kind][0])
    bits = [
        np.stack(reader.bits(sequences))[:, middle - AROUND : middle + AROUND + 1]
        for reader in readers.values()
    ]
    motif = [one[:, AROUND : AROUND + size].mean(axis=1) for one in bits]
    around = [one.mean(axis=1) for one in bits]
    return {
        "sites": len(pairs),
        "genes": len(set(genes.tolist())),
        "auroc": {
            name: resampling.contrast([_auroc(is_site, -one) for one in scores], genes)
            for name, scores in (("motif", motif), ("around", around))
        },
        "profile": {
            "position": list(range(-AROUND, AROUND + 1)),
            **{
                name: {
                    what: _means(one[chosen], genes[chosen], resampling)
                    for what, chosen in (("site", is_site), ("decoy", ~is_site))
                }
                for name, one in zip(readers, bits, strict=True)
            },
        },
    }


def _auroc(labels: NDArray[np.bool_], scores: Array) -> Callable[[Array], Array]:
    return lambda weights: auroc(labels, scores, weights)


def _means(bits: Array, genes: NDArray[Any], resampling: Resampling) -> dict[str, list[float]]:
    """Return the mean of each column, and its interval."""
    found = resampling.of(lambda w: w @ bits / w.sum(axis=1, keepdims=True), genes)
    return {key: [one[key] for one in found] for key in ("value", "low", "high")}


def choose_pairs(
    held: HeldOutSequence, kind: str, places: list[Place], window: int, most: int, seed: int
) -> list[Pair]:
    """Return some held-out sites of a kind that have the usual motif, each with a decoy."""
    generator = named_generator(seed, "zero sites", kind)
    taken = {(p.assembly, p.contig, p.strand, p.position) for p in places}
    pairs: list[Pair] = []
    for index in generator.permutation(len(places)).tolist():
        if len(pairs) == most:
            break
        place, middle = places[index], window // 2
        letters = held.window(place, middle, window - middle)
        motif = letters and next((m for m in MOTIFS[kind] if letters.startswith(m, middle)), None)
        if not letters or not motif:
            continue
        for other in _alike(held, place, motif, taken, generator):
            decoy = held.window(other, middle, window - middle)
            if decoy:
                pairs.append(Pair(place, other, (letters, decoy)))
                break
    return pairs


def _alike(
    held: HeldOutSequence,
    place: Place,
    motif: bytes,
    taken: set[tuple[str, str, str, int]],
    generator: np.random.Generator,
) -> Iterator[Place]:
    """Yield other places of a motif near a site, those of the most similar composition first."""
    span = held.span(place.assembly, place.contig)
    index = int(np.searchsorted(span.starts, place.position, side="right")) - 1
    start = max(int(span.starts[index]), place.position - NEAR)
    end = min(int(span.ends[index]), place.position + NEAR)
    letters = held.genomes[place.assembly].fetch(place.contig, start, end).upper()
    forward = place.strand == "+"
    if not forward:
        letters = reverse_complement(letters)
    own = place.position - start if forward else end - 1 - place.position
    strong = np.isin(np.frombuffer(letters, dtype=np.uint8), list(b"GC"))
    before = np.concatenate([[0], np.cumsum(strong)])

    def share(at: NDArray[np.int64]) -> NDArray[np.float64]:
        first, last = np.maximum(at - COMPOSITION, 0), np.minimum(at + COMPOSITION, len(letters))
        return np.asarray((before[last] - before[first]) / (last - first))

    found = _occurrences(letters, motif)
    found = generator.permutation(found[np.abs(found - own) > 2 * AROUND])
    distance = np.abs(share(found) - share(np.array([own])))
    positions = start + found if forward else end - 1 - found
    for index in np.argsort(distance, kind="stable").tolist():
        position = int(positions[index])
        if (place.assembly, place.contig, place.strand, position) not in taken:
            yield replace(place, position=position)


def _occurrences(letters: bytes, motif: bytes) -> NDArray[np.int64]:
    codes = np.frombuffer(letters, dtype=np.uint8)
    count = max(len(codes) - len(motif) + 1, 0)
    hits = np.ones(count, dtype=bool)
    for offset, letter in enumerate(motif):
        hits &= codes[offset : offset + count] == letter
    return np.flatnonzero(hits)
