"""Kill a demo run with -9 at random moments, start it again each time, and compare.

    python benchmarks/kill_and_resume.py UNDISTURBED_RESULTS --kills 10

Run in a clone whose `results` folder is absent. Files up to the shards must be the same to the
byte, and the weights after pretraining the same, as in UNDISTURBED_RESULTS.
"""

import argparse
import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
from safetensors.numpy import load_file

STAGES = ("genome", "corpus", "tokenizer", "shards")


def snakemake(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "snakemake", "--cores", "2", *arguments]


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    parent = psutil.Process(process.pid)
    for member in [*parent.children(recursive=True), parent]:
        try:
            member.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    process.wait()


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for stage in STAGES
        for file in sorted((folder / stage).rglob("*"))
        if file.is_file()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("undisturbed", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    for number in range(1, options.kills + 1):
        seconds = moments.uniform(6, 70)
        process = subprocess.Popen(
            snakemake("--rerun-incomplete", "--quiet", "all"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(seconds)
        if process.poll() is not None:
            print(f"the run had ended before kill {number}")
            break
        log = sorted(Path("results/logs").rglob("*.log"), key=lambda file: file.stat().st_mtime)
        print(f"kill {number} after {seconds:.0f} s, during {log[-1] if log else 'the start'}")
        kill_tree(process)
        subprocess.run(snakemake("--unlock"), capture_output=True, check=True)
    subprocess.run(snakemake("--rerun-incomplete", "--quiet", "all"), check=True)
    ours, theirs = digests(Path("results")), digests(options.undisturbed)
    different = [name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)]
    print(f"{len(ours)} files up to the shards, {len(different)} differ {different[:5]}")
    same = not different
    for file in sorted(options.undisturbed.glob("pretraining/*/model/model.safetensors")):
        expected = load_file(file)
        found = load_file(Path("results") / file.relative_to(options.undisturbed))
        equal = all(np.array_equal(found[name], tensor) for name, tensor in expected.items())
        print(f"weights of {file.parts[-3]}: {'equal' if equal else 'DIFFERENT'}")
        same &= equal
    return 0 if same else 1


if __name__ == "__main__":
    raise SystemExit(main())
