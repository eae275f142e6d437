"""What made a result: settings, versions, revision, seed and checksums of the inputs."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pipeline_lib import __version__
from pipeline_lib.files import checksum

PACKAGES = ("numpy", "pyarrow", "pysam", "tokenizers", "torch", "snakemake", "scikit-learn")


def provenance(
    settings: dict[str, Any], *, inputs: dict[str, str | Path], seed: int
) -> dict[str, Any]:
    """Describe how a result came about, for storing beside it.

    Parameters
    ----------
    settings
        The resolved settings of the stage.
    inputs
        Files read, by role; their sha256 is stored, not their path, so that the description is
        the same wherever the run took place.
    seed
        Seed of every random choice.
    """
    return {
        "dnalm": __version__,
        "revision": git_revision(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "seed": seed,
        "settings": settings,
        "inputs": {role: checksum(path) for role, path in inputs.items()},
    }


def git_revision() -> str | None:
    """Return the commit of the checkout this package runs from, or None outside one."""
    root = Path(__file__).resolve().parents[1]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # a compute node without git
        return None
    return answer.stdout.strip() or None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
