"""Small helpers for names of sequences: accessions, and names close to a wrong one."""

import difflib
import re
from collections.abc import Collection

# GenBank (U49845, AP000423, JAAABC010000001) and RefSeq (NC_001133, NZ_CP012345) with a version.
_VERSIONED = re.compile(
    r"((?:[A-Z]{2}_[A-Z]{0,6}\d{6,}|[A-Z]{1,2}\d{5,8}|[A-Z]{4,6}\d{8,}))\.(\d+)"
)


def without_version(name: str) -> str | None:
    """Return an accession without its version, or None if ``name`` is not a versioned one.

    >>> without_version("NC_001133.9")
    'NC_001133'
    >>> without_version("chr1.2") is None
    True
    """
    found = _VERSIONED.fullmatch(name)
    return found[1] if found else None


def nearest(name: str, names: Collection[str], count: int = 3) -> str:
    """Return the names most like a wrong one, quoted, or the first ones if none is like it."""
    # Ratios are slow on the 100,000 scaffolds of a draft assembly: the first ones must do.
    pool = list(names)[:20_000]
    close = difflib.get_close_matches(name, pool, n=count, cutoff=0.5) or pool[:count]
    return ", ".join(repr(item) for item in close)


def some(names: Collection[str], count: int = 3) -> str:
    """Return the first names, quoted, with the number of those not shown.

    >>> some(["a", "b", "c", "d"], 2)
    "'a', 'b' and 2 more"
    """
    shown = ", ".join(repr(item) for item in list(names)[:count])
    return shown if len(names) <= count else f"{shown} and {len(names) - count:,} more"
