"""Learning and applying byte pairs, beside ``tokenizers``: speed, memory, and the same result.

    python benchmarks/bpe.py --fasta 20.GRCh37.fa.gz [--mega-bases 20 60 500] [--vocab-size 32000]

The sample is sentences of 500 to 1,000 bases from random places of the sequence, on both strands,
N left out. The peer learns from the same sentences, as far as its memory goes (``--peer-limit``);
both then encode 20 million bases of sentences with the vocabulary of the smallest sample, on one
thread. Each measurement has a process of its own. Importing libraries is not timed, compiling is:
it is done once, before, and kept on disk.
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pysam
from tokenizers import Tokenizer, models, trainers

from pipeline_lib.sequence import reverse_complement
from pipeline_lib.tokenizer.encode import SentenceEncoder
from pipeline_lib.tokenizer.merges import learn_merges
from pipeline_lib.tokenizer.train import ALPHABET, _as_symbols, byte_pair_tokenizer
from pipeline_lib.tokenizer.vocabulary import SPECIAL_TOKENS

ENCODED = 20_000_000


def sentences(fasta: Path, bases: int, seed: int = 0) -> Iterator[bytes]:
    """Yield sentences of ``bases`` in all."""
    with pysam.FastaFile(str(fasta)) as file:
        name = max(file.references, key=file.get_reference_length)
        text = file.fetch(name).upper().encode()
    generator, left = np.random.default_rng(seed), bases
    while left > 0:
        begin = int(generator.integers(0, len(text) - 1_000))
        sentence = text[begin : begin + int(generator.integers(500, 1_001))]
        if b"N" in sentence:
            continue
        sentence = sentence[:left]
        left -= len(sentence)
        yield reverse_complement(sentence) if generator.random() < 0.5 else sentence


def learn(options: argparse.Namespace) -> dict[str, float | str]:
    text, _ = _as_symbols(sentences(options.fasta, options.bases), options.bases)
    began, cpu = time.perf_counter(), time.process_time()
    words, merges = learn_merges(
        text, [*SPECIAL_TOKENS, *ALPHABET], vocab_size=options.vocab_size, min_frequency=2,
        max_length=64, threads=options.threads,
    )  # fmt: skip
    taken = time.perf_counter() - began, time.process_time() - cpu
    byte_pair_tokenizer(words, merges).save(str(options.folder / f"{options.bases}.json"))
    return result(*taken, [f"{words[a]} {words[b]}" for a, b in merges])


def learn_peer(options: argparse.Namespace) -> dict[str, float | str]:
    sample = [sentence.decode() for sentence in sentences(options.fasta, options.bases)]
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    trainer = trainers.BpeTrainer(
        vocab_size=options.vocab_size, min_frequency=2, max_token_length=65,
        special_tokens=list(SPECIAL_TOKENS), initial_alphabet=list(ALPHABET), show_progress=False,
    )  # fmt: skip
    began, cpu = time.perf_counter(), time.process_time()
    tokenizer.train_from_iterator(sample, trainer)
    taken = time.perf_counter() - began, time.process_time() - cpu
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return result(*taken, [" ".join(pair) for pair in merges])


def encode(options: argparse.Namespace) -> dict[str, float | str]:
    sample = list(sentences(options.fasta, ENCODED, seed=1))
    encoder = SentenceEncoder(options.folder / f"{options.bases}.json")
    encoder.encode(sample[:10])
    began, cpu = time.perf_counter(), time.process_time()
    tokens = [encoder.encode(sample[i : i + 1_000])[0] for i in range(0, len(sample), 1_000)]
    taken = time.perf_counter() - began, time.process_time() - cpu
    return result(*taken, np.concatenate(tokens).tolist())


def encode_peer(options: argparse.Namespace) -> dict[str, float | str]:
    sample = [sentence.decode() for sentence in sentences(options.fasta, ENCODED, seed=1)]
    tokenizer = Tokenizer.from_file(str(options.folder / f"{options.bases}.json"))
    began, cpu = time.perf_counter(), time.process_time()
    tokens: list[int] = []
    for i in range(0, len(sample), 1_000):
        for encoding in tokenizer.encode_batch(sample[i : i + 1_000], add_special_tokens=False):
            tokens += encoding.ids
    return result(time.perf_counter() - began, time.process_time() - cpu, tokens)


STEPS = {f.__name__: f for f in (learn, learn_peer, encode, encode_peer)}


def result(seconds: float, cpu: float, outcome: list[str] | list[int]) -> dict[str, float | str]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    digest = hashlib.sha256(json.dumps(outcome).encode()).hexdigest()[:12]
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mb": peak, "digest": digest}


def run(step: str, bases: int, folder: Path, options: argparse.Namespace) -> dict[str, float]:
    command = [
        sys.executable, __file__, "--fasta", str(options.fasta), "--step", step,
        "--bases", str(bases), "--folder", str(folder), "--threads", str(options.threads),
        "--vocab-size", str(options.vocab_size),
    ]  # fmt: skip
    parallel = "true" if options.threads > 1 and "learn" in step else "false"
    environment = os.environ | {
        "TOKENIZERS_PARALLELISM": parallel, "RAYON_NUM_THREADS": str(options.threads)
    }  # fmt: skip
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fasta", type=Path, required=True)
    parser.add_argument("--mega-bases", type=int, nargs="+", default=[20, 60, 500])
    parser.add_argument("--peer-limit", type=int, default=60, help="million bases")
    parser.add_argument("--vocab-size", type=int, default=32_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--bases", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(STEPS[options.step](options)))
        return
    print("| what | Mbp | seconds | CPU seconds | peak MB | of the peer | same result |")
    print("|---|---:|---:|---:|---:|---:|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run("learn", 1_000_000, folder, options)  # compiles
        steps = [("learn", size) for size in options.mega_bases]
        for step, size in [*steps, ("encode", options.mega_bases[0])]:
            bases, shown = size * 1_000_000, size if step == "learn" else ENCODED // 1_000_000
            rows = {step: run(step, bases, folder, options)}
            if step == "encode" or size <= options.peer_limit:
                rows[f"{step}_peer"] = run(f"{step}_peer", bases, folder, options)
            peer = rows.get(f"{step}_peer")
            for title, row in rows.items():
                against = f"{peer['cpu_seconds'] / row['cpu_seconds']:.2f}" if peer else ""
                same = ("yes" if row["digest"] == peer["digest"] else "no") if peer else ""
                print(f"| {title} | {shown} | {row['seconds']:.1f} | {row['cpu_seconds']:.1f} "
                      f"| {row['peak_mb']:.0f} | {against} | {same} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
