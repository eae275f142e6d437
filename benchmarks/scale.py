"""Time and memory of the stages genome, corpus and shards, from 10 million to 3.1 billion bases.

    python benchmarks/scale.py [--mega-bases 10 100 3100] [--folder DIR]

The genomes are made up, with what makes human ones hard: contigs of up to 249 million bases, runs
of N of up to 3 million, half of the sequence in diverged copies of repeats, which are lower-case,
and segmental duplications. Each stage runs in a process of its own, so that its peak memory is its
own; it is run once on a million bases before, untimed, since start-up is not what is measured. One
pass, forward strand, holdouts of 2 % of the genome, a vocabulary of 32,000.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from pipeline_lib.config.corpus import Corpus
from pipeline_lib.config.genome import Assembly
from pipeline_lib.config.shards import ShardsConfig
from pipeline_lib.config.tokenizer import Tokenizer
from pipeline_lib.corpus.assembly import cut_assembly
from pipeline_lib.corpus.build import join_corpus
from pipeline_lib.corpus.plan import plan_corpus
from pipeline_lib.genome.prepare import prepare_genome
from pipeline_lib.shards.write import write_shards
from pipeline_lib.tokenizer.train import make_tokenizer

# Lengths of the human chromosomes, in millions of bases.
HUMAN = (249, 242, 198, 190, 182, 171, 159, 145, 138, 134, 135, 133,
         114, 107, 102, 90, 83, 80, 59, 64, 47, 51, 156, 57)  # fmt: skip
STEP = 1_000_000
WARM = "1"
LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)
WORKERS = os.cpu_count() or 1


class Maker:
    """Makes human-like sequence, a million bases at a time."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        lengths = [300] * 30 + [6_000] * 10 + [170] * 5
        self._families = [LETTERS[self._random.integers(0, 4, n)] for n in lengths]
        self._old = np.empty(0, np.uint8)

    def piece(self, length: int) -> np.ndarray:
        """Return unique sequence with repeats in lower case."""
        random = self._random
        gc = random.uniform(0.36, 0.48)
        base = LETTERS[random.choice(4, length, p=[(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2])]
        place = int(random.integers(0, 2_000))
        while place < length:
            copy = self._families[random.integers(len(self._families))].copy()
            changed = random.random(len(copy)) < random.uniform(0.08, 0.3)
            copy[changed] = LETTERS[random.integers(0, 4, changed.sum())]
            part = copy[: min(len(copy), length - place)]
            base[place : place + len(part)] = part + 32
            place += len(part) + int(random.exponential(1_100))
        if len(self._old) and random.random() < 0.3:  # a duplication, 1 % diverged
            copy = self._old.copy()
            changed = random.random(len(copy)) < 0.01
            copy[changed] = LETTERS[random.integers(0, 4, changed.sum())]
            base[: len(copy)] = copy
        self._old = base[length // 2 : length // 2 + 20_000].copy()
        return base

    def write(self, path: Path, mega_bases: int) -> None:
        """Write a FASTA file."""
        left = mega_bases
        with path.open("wb") as handle:
            for number, full in enumerate(HUMAN, start=1):
                length = max(1, min(left, round(full * min(1, mega_bases / sum(HUMAN)) + 0.5)))
                if left <= 0:
                    break
                handle.write(b">chr%d\n" % number)
                gap = max(1, length // 80)  # a centromere nobody has read
                for step in range(length):
                    middle = length // 2 <= step < length // 2 + gap and length > 5
                    part = np.full(STEP, ord("N"), np.uint8) if middle else self.piece(STEP)
                    part[:10_000] = part[:10_000] if step else ord("N")
                    lines = np.full((STEP // 100, 101), ord("\n"), np.uint8)
                    lines[:, :100] = part.reshape(-1, 100)
                    handle.write(lines.tobytes())
                left -= length


def settings(folder: Path) -> Corpus:
    holdouts = {}
    lines = (folder / "genome" / "genome.fa.gz.fai").read_text().splitlines()
    name, length = max((line.split("\t")[:2] for line in lines), key=lambda c: int(c[1]))
    total = sum(int(line.split("\t")[1]) for line in lines)
    for split, begin in (("valid", int(length) // 8), ("test", int(length) // 4)):
        bed = folder / f"{split}.bed"
        bed.write_text(f"{name}\t{begin}\t{begin + min(total // 100, int(length) // 10)}\n")
        holdouts[split] = {"bed": str(bed)}
    return Corpus(assemblies=("made",), holdouts=holdouts, passes=1, strands="forward")


def genome(folder: Path) -> None:
    source = folder / "made.fa"
    prepare_genome(source, folder / "genome", Assembly(path=str(source)), name="made")


def plan(folder: Path) -> None:
    plan_corpus({"made": folder / "genome"}, folder / "plan", settings(folder))


def corpus(folder: Path) -> None:
    cut_assembly(
        folder / "genome", folder / "plan", folder / "assemblies" / "made", settings(folder),
        assembly="made", seed=1, workers=WORKERS,
    )  # fmt: skip


def join(folder: Path) -> None:
    join_corpus(
        {"made": folder / "assemblies" / "made"}, {"made": folder / "genome"}, folder / "plan",
        folder / "corpus", settings(folder), seed=1,
    )  # fmt: skip


def tokenizer(folder: Path) -> None:
    values = Tokenizer(corpus="made", vocab_size=32_000, sample_bases=20_000_000)
    make_tokenizer(
        folder / "corpus/train/documents.parquet", {"made": folder / "genome"},
        folder.parent / "tokenizer.json", folder / "tokenizer-stats.json", values, seed=1,
        threads=WORKERS,
    )  # fmt: skip


def shards(folder: Path) -> None:
    write_shards(
        folder / "corpus/train/documents.parquet", {"made": folder / "genome"},
        folder.parent / "tokenizer.json", folder / "shards", ShardsConfig(), workers=WORKERS,
    )  # fmt: skip


STAGES = {f.__name__: f for f in (genome, plan, corpus, join, tokenizer, shards)}


def bases_of(stage: str, folder: Path) -> int:
    """Return the bases that a stage has read: of the genome, or of the training documents."""
    if stage == "shards":
        return int(json.loads((folder / "shards" / "manifest.json").read_text())["bases"])
    lines = (folder / "genome" / "genome.fa.gz.fai").read_text().splitlines()
    return sum(int(line.split("\t")[1]) for line in lines)


def measure(stage: str, folder: Path) -> None:
    """Run one stage in this process, and print what it took as the last line."""
    if folder.name != WARM and stage != "tokenizer":
        STAGES[stage](folder.parent / WARM)
    began, cpu = time.perf_counter(), time.process_time()
    STAGES[stage](folder)
    result = {
        "bases": bases_of(stage, folder),
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(result))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mega-bases", type=int, nargs="+", default=[10, 100, 3100])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "scale")
    parser.add_argument("--skip", nargs="*", default=[], help="stages whose results are there")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        measure(options.stage, options.folder)
        return
    print("| genome, Mbp | stage | read, Mbp | seconds | ns CPU per base | peak MB |")
    print("|---:|---|---:|---:|---:|---:|")
    for size in (int(WARM), *options.mega_bases):
        folder = options.folder / str(size)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "made.fa").exists():
            Maker(7).write(folder / "made.fa", size)
        for stage in STAGES:
            learnt = (options.folder / "tokenizer.json").exists()
            if size != int(WARM) and stage in options.skip:
                continue
            if stage == "tokenizer" and (learnt or size < 10):
                continue  # a million bases do not support the vocabulary
            if stage == "shards" and not learnt:
                continue
            command = [sys.executable, __file__, "--stage", stage, "--folder", str(folder)]
            answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            row = json.loads(answer.stdout.splitlines()[-1])
            cost = row["cpu_seconds"] / row["bases"] * 1e9
            if size == int(WARM):
                continue
            print(f"| {size:,} | {stage} | {row['bases'] / 1e6:,.0f} | {row['seconds']:.1f} "
                  f"| {cost:.1f} | {row['peak_mb']:.0f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
