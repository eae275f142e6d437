"""How long Snakemake takes to plan a corpus over many assemblies of a sheet.

    python benchmarks/dry_run.py --assemblies 500 --limit 30

Makes a sheet and a configuration in a temporary folder, runs `snakemake --dry-run` there, and
prints the seconds and the number of jobs as JSON. With --limit, more seconds are an error.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]


def write_project(folder: Path, assemblies: int) -> None:
    """Write a sheet of NCBI accessions, and a configuration with one corpus over all of them."""
    names = [f"species{number:04d}" for number in range(assemblies)]
    rows = [
        f"{name}\tSpecies {number}\tGCF_{number + 1:09d}.1" for number, name in enumerate(names)
    ]
    (folder / "species.tsv").write_text("assembly\tspecies\taccession\n" + "\n".join(rows) + "\n")
    holdouts = {
        split: {"contigs": [f"{name}:{contig}" for name in names]}
        for split, contig in (("valid", "1"), ("test", "2"))
    }
    values = {
        "run": {"models": ["many"]},
        "genome": {"sheet": "species.tsv"},
        "corpus": {"corpora": {"many": {"assemblies": names, "holdouts": holdouts}}},
        "tokenizer": {"tokenizers": {"bpe4096": {"corpus": "many", "vocab_size": 4096}}},
        "pretraining": {
            "models": {"many": {"corpus": "many", "tokenizer": "bpe4096", "preset": "bert-mini"}}
        },
    }
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump(values, sort_keys=False))


def dry_run(folder: Path) -> tuple[float, int]:
    """Return the seconds that planning took and the number of jobs planned."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "workflow/Snakefile")]
    command += ["--cores", "2", "--dry-run", "--quiet", "rules"]
    start = time.monotonic()
    answer = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - start
    text = answer.stdout + answer.stderr
    if answer.returncode != 0:
        sys.exit(text[-3000:])
    total = re.search(r"^total\s+(\d+)", text, re.MULTILINE)
    return seconds, int(total[1]) if total else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assemblies", type=int, default=500)
    parser.add_argument("--limit", type=float, help="seconds that are still fine")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        write_project(Path(name), options.assemblies)
        seconds, jobs = dry_run(Path(name))
    result = {"assemblies": options.assemblies, "jobs": jobs, "seconds": round(seconds, 1)}
    print(json.dumps(result))
    if options.limit is not None and seconds > options.limit:
        sys.exit(f"planning took {seconds:.1f} s, more than {options.limit:g} s")


if __name__ == "__main__":
    main()
