"""Fingerprints of our own code, so that Snakemake reruns a stage whose code has changed.

Snakemake notices an edited rule, script, parameter or input, but not an edited library. Each
rule therefore carries the fingerprint of its stage as a parameter. Comments, docstrings and
layout do not count: correcting a sentence must not throw away five days of pretraining.

Reading syntax trees takes a second, at every start of Snakemake and in every job: what was found
is kept beside Python's own compiled files.
"""

import ast
import contextlib
import functools
import hashlib
import json
import os
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
KNOWN = PACKAGE / "__pycache__" / f"meanings.{sys.implementation.cache_tag}.json"
MOST_KNOWN = 5_000


def code_fingerprint(*packages: str) -> str:
    """Return a fingerprint of the code of some sub-packages, for example ``"pretraining"``."""
    digest, known = hashlib.sha256(), _known()
    before = len(known)
    for package in packages:
        for file in sorted((PACKAGE / package).rglob("*.py")):
            source = file.read_text()
            key = hashlib.sha256(source.encode()).hexdigest()
            if key not in known:
                known[key] = hashlib.sha256(meaning(source).encode()).hexdigest()
            digest.update(f"{file.relative_to(PACKAGE)} {known[key]}\n".encode())
    if len(known) > before:
        _keep(known)
    return digest.hexdigest()[:16]


def meaning(source: str) -> str:
    """Return the syntax tree of a module as text, without docstrings and positions."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


@functools.cache
def _known() -> dict[str, str]:
    """Return the checksums of meanings, by those of the sources, that earlier starts have found."""
    try:
        found: dict[str, str] = json.loads(KNOWN.read_text())
    except (OSError, ValueError):
        return {}
    return found if len(found) < MOST_KNOWN else {}


def _keep(known: dict[str, str]) -> None:
    """Write down what is known; where the package cannot be written to, do without."""
    temporary = KNOWN.with_name(f".{KNOWN.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        KNOWN.parent.mkdir(exist_ok=True)
        temporary.write_text(json.dumps(known))
        temporary.replace(KNOWN)
