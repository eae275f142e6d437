"""Scoring substitutions in batches, against loops of one variant at a time.

    python benchmarks/variants.py --model results/pretraining/bases/model \
        --fasta 20.GRCh37.fa.gz --vcf snps.vcf.gz

The peers: a plain loop written with `transformers` on the same folder (each strand's window is
encoded and read with the base hidden; log probabilities of the alternative minus the reference),
and our own function called with one variant at a time. All on one thread, in turns, by CPU time;
the three give the same scores, which is checked. With ``--embedding`` also the distance of the mean
hidden vectors of both windows, on both strands.
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForMaskedLM, AutoTokenizer

from pipeline_lib.application.fasta import open_genome
from pipeline_lib.application.scoring.alleles import UpperCase, normalised
from pipeline_lib.application.scoring.single import Allele, open_scorer, score_alleles
from pipeline_lib.application.scoring.vcf import VariantFile

Array = NDArray[np.float64]


def plain_loop(
    folder: Path, embedding: bool
) -> Callable[[Any, UpperCase, Sequence[Allele]], Array]:
    """Return a function that scores variants one by one with `transformers`."""
    model = AutoModelForMaskedLM.from_pretrained(folder, trust_remote_code=True).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    vocabulary = tokenizer.get_vocab()

    def ids(window: bytes) -> list[int]:
        own = tokenizer(window.decode(), add_special_tokens=False)["input_ids"]
        return [tokenizer.cls_token_id, *own, tokenizer.sep_token_id]

    @torch.inference_mode()
    def score(windows: Any, genome: UpperCase, alleles: Sequence[Allele]) -> Array:
        found = []
        for contig, start, ref, alt in alleles:
            pair = windows.pair(genome, normalised(genome, str(contig), start, ref, alt))
            values, moved = [], []
            for reading in pair:
                tokens = torch.tensor([ids(reading.reference)])
                tokens[0, reading.place + 1] = tokenizer.mask_token_id
                known = model(input_ids=tokens).logits[0, reading.place + 1].log_softmax(-1)
                sides = [vocabulary[chr(text[reading.place])]
                         for text in (reading.alternative, reading.reference)]  # fmt: skip
                values.append(float(known[sides[0]] - known[sides[1]]) / math.log(2))
                if embedding:
                    first, second = (
                        model.base_model(input_ids=torch.tensor([ids(text)]))
                        .last_hidden_state[0, 1:-1]
                        .mean(0)
                        for text in (reading.reference, reading.alternative)
                    )
                    moved.append(float((first - second).norm()))
            found.append([np.mean(values), np.mean(moved) if embedding else 0.0])
        return np.array(found)

    return score


def main() -> None:
    """Print seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--model", "--fasta", "--vcf"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--count", type=int, default=300, help="Variants.")
    parser.add_argument("--rounds", type=int, default=3, help="Turns; the median is told.")
    parser.add_argument("--embedding", action="store_true", help="Also distances of embeddings.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    genome = UpperCase(open_genome(options.fasta))
    records = islice(VariantFile(options.vcf), options.count)
    alleles: list[Allele] = [
        (genome.resolve(record.contig), record.position - 1, record.ref, alt)
        for record in records
        for alt in record.alts
        if len(record.ref) == len(alt) == 1
    ]
    scorer = open_scorer(options.model, embedding=options.embedding)
    loop = plain_loop(options.model, options.embedding)

    def batched() -> Array:
        return own(alleles)

    def own(some: list[Allele]) -> Array:
        _, columns = score_alleles(scorer, genome, some)
        return np.stack([columns["LLR"], columns.get("L2", np.zeros(len(some)))], axis=1)

    ways: dict[str, Callable[[], Array]] = {
        "in batches": batched,
        "one at a time": lambda: np.concatenate([own([allele]) for allele in alleles]),
        "transformers, one at a time": lambda: loop(scorer.windows, genome, alleles),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, Array] = {}
    own(alleles[:2])  # tables and caches are made once
    for _ in range(options.rounds):
        for name, way in ways.items():
            begun = time.process_time()
            found[name] = way()
            seconds[name].append(time.process_time() - begun)
    first = np.median(seconds["in batches"])
    print("| way | variants | CPU seconds | variants per CPU second | times as long | differs by |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, taken in seconds.items():
        middle = float(np.median(taken))
        apart = np.abs(found[name] - found["in batches"]).max()
        print(f"| {name} | {len(alleles)} | {middle:.2f} | {len(alleles) / middle:,.0f} | "
              f"{middle / first:.2f} | {apart:.1e} |")  # fmt: skip


if __name__ == "__main__":
    main()
