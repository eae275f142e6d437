"""Fingerprints of our own code, so that Snakemake reruns a stage whose code has changed.

Snakemake notices an edited rule, script, parameter or input, but not an edited library. Each
rule therefore carries the fingerprint of its stage as a parameter. Comments, docstrings and
layout do not count: correcting a sentence must not throw away five days of pretraining.
"""

import ast
import functools
import hashlib
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def code_fingerprint(*packages: str) -> str:
    """Return a fingerprint of the code of some sub-packages, for example ``"pretraining"``."""
    digest = hashlib.sha256()
    for package in packages:
        for file in sorted((PACKAGE / package).rglob("*.py")):
            digest.update(str(file.relative_to(PACKAGE)).encode())
            digest.update(meaning(file.read_text()).encode())
    return digest.hexdigest()[:16]


@functools.cache
def meaning(source: str) -> str:
    """Return the syntax tree of a module as text, without docstrings and positions."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)
