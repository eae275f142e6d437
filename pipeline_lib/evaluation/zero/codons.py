"""Synonymous against other substitutions in held-out genes, by the likelihood of the model.

Compared are substitutions at the same position of a codon, of the same base by the same other one:
who knows nothing but how frequent bases are, is right in half of the pairs. The middle base of a
codon is left out, since none of its substitutions is synonymous, as are those that make a stop
codon. The genetic code is the standard one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.config.zero import ZeroConfig
from pipeline_lib.evaluation.zero.contrast import Resampling, matched_auroc
from pipeline_lib.evaluation.zero.held import HeldOutSequence, Place
from pipeline_lib.evaluation.zero.reader import BASES, Reader
from pipeline_lib.randomness import named_generator

_ORDER = b"TCAG"
_AMINO_ACIDS = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"
STOP = "*"
POSITIONS = (0, 2)
FEWEST = 10
"""Codons below which nothing is said."""


@dataclass(frozen=True, slots=True)
class Codon:
    """A codon within a window.

    Attributes
    ----------
    letters
        The window, in the direction of the gene.
    at
        Where in it the codon begins.
    """

    gene: str
    letters: bytes
    at: int


def amino_acid(codon: bytes) -> str:
    """Return the amino acid of a codon, ``*`` for a stop.

    >>> amino_acid(b"ATG"), amino_acid(b"TGA")
    ('M', '*')
    """
    first, second, third = (_ORDER.index(letter) for letter in codon)
    return _AMINO_ACIDS[16 * first + 4 * second + third]


def is_transition(one: int, other: int) -> bool:
    """Tell whether a substitution stays among A and G, or among C and T."""
    return {one, other} in ({*b"AG"}, {*b"CT"})


def measure_codons(
    readers: Mapping[str, Reader], codons: list[Codon], resampling: Resampling
) -> dict[str, Any]:
    """Measure how often a synonymous substitution is the likelier one, genes being resampled.

    Returns
    -------
    dict
        Counts; ``auroc`` over pairs of a synonymous and another substitution that are alike; and
        ``by_kind``, the same of each position of the codon, of transitions and transversions.
        None of it if there is no such pair.
    """
    windows = [codon.letters for codon in codons for _ in POSITIONS]
    places = [codon.at + position for codon in codons for position in POSITIONS]
    ratios = [reader.ratios(windows, places) for reader in readers.values()]
    table = pd.DataFrame(
        [
            (number, column, codon.gene, *kind)
            for number, (codon, position) in enumerate((c, p) for c in codons for p in POSITIONS)
            for column, base in enumerate(BASES)
            if (kind := _kind(codon, position, base))
        ],
        columns=["window", "base", "gene", "synonymous", "kind", "substitution"],
    )
    for name, found in zip(readers, ratios, strict=True):
        table[name] = found[table["window"], table["base"]]
    if not _comparable(table):
        return {}
    by_kind = {str(kind): part for kind, part in table.groupby("kind")}
    return {
        "codons": len(codons),
        "genes": int(table["gene"].nunique()),
        "synonymous": int(table["synonymous"].sum()),
        "nonsynonymous": int((~table["synonymous"]).sum()),
        "auroc": _auroc(table, list(readers), resampling),
        "by_kind": {
            kind: _auroc(part, list(readers), resampling)
            for kind, part in by_kind.items()
            if _comparable(part)
        },
    }


def _comparable(table: pd.DataFrame) -> bool:
    """Tell whether some substitution is once synonymous and once not."""
    return bool((table.groupby("substitution")["synonymous"].nunique() == 2).any())


def _auroc(
    table: pd.DataFrame, readers: list[str], resampling: Resampling
) -> dict[str, dict[str, float]]:
    synonymous, strata = table["synonymous"].to_numpy(), table["substitution"].to_numpy()
    statistics = [matched_auroc(synonymous, table[name].to_numpy(), strata) for name in readers]
    return resampling.contrast(statistics, table["gene"].to_numpy())


def _kind(codon: Codon, position: int, base: int) -> tuple[bool, str, str] | None:
    """Return whether a substitution is synonymous, its kind, and itself; None: not compared."""
    old = codon.letters[codon.at : codon.at + 3]
    if old[position] == base:
        return None
    new = old[:position] + bytes([base]) + old[position + 1 :]
    if STOP in (amino_acid(old), amino_acid(new)):
        return None
    kind = "transition" if is_transition(old[position], base) else "transversion"
    return (
        amino_acid(old) == amino_acid(new),
        f"codon position {position + 1}, {kind}",
        f"{position + 1} {chr(old[position])}>{chr(base)}",
    )


def choose_codons(
    held: HeldOutSequence,
    codons: list[tuple[Place, NDArray[np.int64]]],
    window: int,
    settings: ZeroConfig,
    seed: int,
) -> list[Codon]:
    """Return some held-out codons, drawn at random, in windows around them.

    Parameters
    ----------
    codons
        For each gene a place that names it, and where its codons begin.
    """
    owner = np.repeat(np.arange(len(codons)), [len(starts) for _, starts in codons])
    starts = np.concatenate([starts for _, starts in codons] or [np.empty(0, dtype=np.int64)])
    found: list[Codon] = []
    middle = window // 2
    for index in named_generator(seed, "zero codons").permutation(len(starts)).tolist():
        if len(found) == settings.codons:
            break
        place = replace(codons[owner[index]][0], position=int(starts[index]))
        letters = held.window(place, middle, window - middle)
        if letters is not None:
            found.append(Codon(f"{place.assembly} {place.gene}", letters, middle))
    return found
