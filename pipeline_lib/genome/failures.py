"""What went wrong with which assembly, after a run that went on with the others."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

_STEPS = {  # log of a rule, what the rule does, and the last file it makes
    "look_up.log": ("look-up", "source/addresses.json"),
    "datasets.log": ("download", "source/datasets.zip"),
    "download_*.log": ("download", "source/*"),
    "prepare.log": ("preparation", "stats.json"),
    "annotate.log": ("annotation", "annotation.json"),
}
_ERROR = re.compile(r"^\d\d:\d\d:\d\d ERROR (?:\w+: )?(.+)")
_NO_REASON = "it stopped without a message: killed, or out of memory?"


class Failure(NamedTuple):
    """An assembly, the step that failed, the reason and where more is written."""

    assembly: str
    step: str
    reason: str
    log: Path


def failures(results: Path, assemblies: Collection[str]) -> list[Failure]:
    """Return what failed of the genome stage: steps with a log but without their result.

    Parameters
    ----------
    results
        The folder ``results``.
    assemblies
        Names of the assemblies of the run.
    """
    found = []
    for assembly in assemblies:
        for pattern, (step, product) in _STEPS.items():
            for log in sorted((results / "logs" / "genome" / assembly).glob(pattern)):
                made = product.replace("*", log.stem.partition("_")[2])
                if not (results / "genome" / assembly / made).exists() and (why := _reason(log)):
                    found.append(Failure(assembly, step, why, log))
    return found


def failure_summary(results: Path, assemblies: Collection[str]) -> str:
    """Return the failures as text for the terminal, "" if the genome stage had none."""
    found = failures(results, assemblies)
    if not found:
        return ""
    broken = {failure.assembly for failure in found}
    ready = sum((results / "genome" / name / "stats.json").exists() for name in assemblies)
    lines = [f"{len(broken):,} of {len(assemblies):,} assemblies failed:"]
    lines += [f"  {name} ({step}): {reason} [{log}]" for name, step, reason, log in found]
    lines += [
        f"{ready:,} assemblies are ready and kept, and so are parts of broken downloads: mend what "
        "is named above and run the same command again; only what is missing is made. With "
        "--keep-going a failed assembly does not hold up the others."
    ]
    return "\n".join(lines)


def _reason(log: Path) -> str:
    """Return the last error of a log; "" for a download taken away after use (a success)."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [match[1] for line in lines if (match := _ERROR.match(line))]
    if errors:
        return errors[-1]
    traceback = [line for line in lines if re.match(r"\w[\w.]*(Error|Exception|Interrupt)\b", line)]
    if traceback:
        return traceback[-1]
    return "" if log.name == "datasets.log" else _NO_REASON
