"""Speed and memory of the stages corpus, tokenizer and shards, beside ``tokenizers`` alone.

    python benchmarks/corpus.py [--fasta FASTA] [--vocab-size 4096] [--sample-bases 5000000]

Each stage runs in a process of its own, so that its peak memory is its own. The peer is a plain
loop of ``tokenizers.Tokenizer.encode_batch`` over the same training sentences, already in memory,
with the same ``tokenizer.json``; ours also reads the genome and writes the shards. Peer and ours
take turns; of each, the best round counts, since another program can only make a round slower.
"_2" means two threads, for the peer too. Importing libraries is not timed.
"""

import argparse
import importlib
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pipeline_lib.config.corpus import Corpus
from pipeline_lib.config.genome import Assembly
from pipeline_lib.config.shards import ShardsConfig
from pipeline_lib.config.tokenizer import Tokenizer
from pipeline_lib.corpus.build import build_corpus
from pipeline_lib.corpus.reader import Sequences, read_documents
from pipeline_lib.genome.prepare import prepare_genome
from pipeline_lib.genome.reader import Genome
from pipeline_lib.shards.write import write_shards
from pipeline_lib.tokenizer.encode import load_tokenizer
from pipeline_lib.tokenizer.train import make_tokenizer

ROOT = Path(__file__).resolve().parents[1]
YEAST = ROOT / "resources" / "genomes" / "S288C_R64-2-1.fa.gz"
BATCH = 1_000
Options = argparse.Namespace


def genome(folder: Path, options: Options) -> int:
    source = options.fasta.resolve()
    prepare_genome(source, folder / "genome", Assembly(path=str(source)), name="benchmark")
    return sum(Genome(folder / "genome").contigs.values())


def corpus(folder: Path, options: Options) -> int:
    contigs = Genome(folder / "genome").contigs
    name = max(contigs, key=contigs.__getitem__)
    percent = contigs[name] // 100
    holdouts = {}
    for split, first in (("valid", 50), ("test", 60)):
        bed = folder / f"{split}.bed"
        bed.write_text(f"{name}\t{first * percent}\t{(first + 1) * percent}\n")
        holdouts[split] = {"bed": str(bed)}
    settings = Corpus(
        assemblies=("benchmark",), holdouts=holdouts, passes=options.passes, strands="forward"
    )
    build_corpus({"benchmark": folder / "genome"}, folder / "corpus", settings, seed=1)
    return options.passes * sum(contigs.values())


def tokenizer(folder: Path, options: Options) -> int:
    settings = Tokenizer(
        corpus="benchmark", vocab_size=options.vocab_size, sample_bases=options.sample_bases
    )
    make_tokenizer(
        _documents(folder), {"benchmark": folder / "genome"}, folder / "tokenizer.json",
        folder / "stats.json", settings, seed=1,
    )  # fmt: skip
    return min(options.sample_bases, _bases(folder))


def peer(folder: Path, options: Options) -> tuple[int, float, float]:
    """Encode sentences that are in memory; return bases, and when the encoding began."""
    plain = load_tokenizer(folder / "tokenizer.json")
    opened = Sequences({"benchmark": folder / "genome"})
    sentences = [
        sentence.decode()
        for document in read_documents(_documents(folder))
        for sentence in opened.sentences(document)
    ]
    began, cpu = time.perf_counter(), time.process_time()
    tokens = 0
    for begin in range(0, len(sentences), BATCH):
        for encoding in plain.encode_batch(sentences[begin : begin + BATCH]):
            tokens += len(encoding.ids)
    return sum(map(len, sentences)), began, cpu


def shards(folder: Path, options: Options, workers: int = 1) -> int:
    write_shards(
        _documents(folder), {"benchmark": folder / "genome"}, folder / "tokenizer.json",
        folder / f"shards-{workers}", ShardsConfig(), workers=workers,
    )  # fmt: skip
    return _bases(folder)


def shards_2(folder: Path, options: Options) -> int:
    return shards(folder, options, workers=2)


def peer_2(folder: Path, options: Options) -> tuple[int, float, float]:
    os.environ.update(TOKENIZERS_PARALLELISM="true", RAYON_NUM_THREADS="2")
    return peer(folder, options)


STAGES = {f.__name__: f for f in (genome, corpus, tokenizer, peer, shards, peer_2, shards_2)}


def _documents(folder: Path) -> Path:
    return folder / "corpus" / "train" / "documents.parquet"


def _bases(folder: Path) -> int:
    stats = json.loads((folder / "corpus" / "stats.json").read_text())
    return int(stats["splits"]["train"]["bases"])


def measure(stage: str, folder: Path, options: Options) -> None:
    """Run one stage in this process, and print what it took as the last line."""
    # pyarrow imports pandas at its first conversion: start-up, which a second of work would hide.
    importlib.import_module("pandas")
    began, cpu = time.perf_counter(), time.process_time()
    answer = STAGES[stage](folder, options)
    bases, began, cpu = answer if isinstance(answer, tuple) else (answer, began, cpu)
    result = {
        "bases": bases,
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(result))


def run(stage: str, folder: Path, arguments: list[str]) -> dict[str, float]:
    """Run one stage in a process of its own."""
    command = [sys.executable, __file__, *arguments, "--stage", stage, "--folder", str(folder)]
    answer = subprocess.run(
        command, check=True, capture_output=True, text=True,
        env={**os.environ, "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    result: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return result


def report(options: Options, arguments: list[str]) -> None:
    """Run everything and print a table in Markdown."""
    results: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for stage in ("genome", "corpus", "tokenizer"):
            results[stage] = run(stage, folder, arguments)
        for _ in range(options.rounds):
            for stage in ("peer", "shards", "peer_2", "shards_2"):
                found = run(stage, folder, arguments)
                best = results.setdefault(stage, found)
                for key in ("seconds", "cpu_seconds"):
                    best[key] = min(best[key], found[key])
                best["peak_mb"] = max(best["peak_mb"], found["peak_mb"])
    print(f"{options.fasta.name}, vocabulary {options.vocab_size:,}, Python "
          f"{platform.python_version()}, {os.cpu_count()} cores")  # fmt: skip
    print("\n| stage | bases | MB/s | MB per CPU second | of the peer | peak MB |")
    print("|---|---:|---:|---:|---:|---:|")
    for stage, row in results.items():
        rate = row["bases"] / row["cpu_seconds"]
        other = results[stage.replace("shards", "peer")]
        against = f"{rate * other['cpu_seconds'] / other['bases']:.2f}"
        ratio = against if stage.startswith("shards") else ""
        print(f"| {stage} | {row['bases']:,.0f} | {row['bases'] / row['seconds'] / 1e6:.2f} "
              f"| {rate / 1e6:.2f} | {ratio} | {row['peak_mb']:.0f} |")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fasta", type=Path, default=YEAST)
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--sample-bases", type=int, default=5_000_000)
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        measure(options.stage, options.folder, options)
    else:
        report(options, sys.argv[1:])


if __name__ == "__main__":
    main()
