"""What a vocabulary looks like, and how it is used in running text."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline_lib.sequence import reverse_complement
from pipeline_lib.tokenizer.encode import SentenceEncoder
from pipeline_lib.tokenizer.vocabulary import GAP_TOKEN

TOP_TOKENS = 20
STATS_BASES = 5_000_000
"""Bases of text that are encoded for the statistics, at most."""


def describe(tokenizer: Path, sample: list[bytes]) -> dict[str, Any]:
    """Describe a vocabulary and its use on a sample of sentences.

    Parameters
    ----------
    tokenizer
        ``tokenizer.json``.
    sample
        Sentences: upper-case ACGTN.
    """
    encoder = SentenceEncoder(tokenizer)
    vocabulary = encoder.vocabulary
    lengths, size = vocabulary.lengths, len(vocabulary)
    used, bases = np.zeros(size, dtype=np.int64), 0
    for begin in range(0, len(sample), 1_000):
        chunk = sample[begin : begin + 1_000]
        used += np.bincount(encoder.encode(chunk)[0], minlength=size)
        bases += sum(map(len, chunk))
        if bases >= STATS_BASES:
            break
    ordinary = [n for n in range(vocabulary.first, size) if vocabulary.words[n] != GAP_TOKEN]
    words = [vocabulary.words[number] for number in ordinary]
    known = set(words)
    both = sum(reverse_complement(word.encode()).decode() in known for word in words)
    return {
        "vocab_size": size,
        "token_lengths": _histogram(Counter(lengths[ordinary].tolist())),
        "text_token_lengths": _histogram(Counter(dict(_by_length(lengths, used, ordinary)))),
        "sample_bases": bases,
        "sample_tokens": int(used.sum()),
        "bases_per_token": float(bases / used.sum()),
        "tokens_used": int((used[ordinary] > 0).sum()),
        "usage_entropy": _entropy(used[ordinary]),
        "unknown_share": float(used[vocabulary.unk] / used.sum()),
        "reverse_complement_share": both / len(words),
        "top_tokens": [
            {"token": vocabulary.words[int(number)], "count": int(used[number])}
            for number in np.argsort(-used, kind="stable")[:TOP_TOKENS]
        ],
    }


def _entropy(counts: NDArray[np.int64]) -> float:
    """Return the entropy of the tokens of running text, in bits per token."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def _by_length(
    lengths: NDArray[np.int32], used: NDArray[np.int64], ordinary: list[int]
) -> Iterator[tuple[int, int]]:
    for length in np.unique(lengths[ordinary]):
        yield int(length), int(used[lengths == length].sum())


def _histogram(counts: Counter[int]) -> dict[str, int]:
    return {str(length): counts[length] for length in sorted(counts)}
