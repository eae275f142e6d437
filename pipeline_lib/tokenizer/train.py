"""Training a byte-pair encoding (GENA-LM, Methods; Sennrich et al. 2016)."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing

from pipeline_lib.config.tokenizer import Tokenizer as TokenizerSettings
from pipeline_lib.corpus.reader import read_documents, read_sentences
from pipeline_lib.errors import InputError
from pipeline_lib.files import write_json, write_text
from pipeline_lib.genome.reader import Genome
from pipeline_lib.progress import progress_bar
from pipeline_lib.provenance import provenance
from pipeline_lib.randomness import named_generator
from pipeline_lib.sequence import reverse_complement
from pipeline_lib.tokenizer.encode import (
    CLS,
    GAP,
    GAP_LENGTH,
    GAP_TOKEN,
    SEP,
    SPECIAL_TOKENS,
    SentenceEncoder,
    token_lengths,
    vocabulary,
)

TOP_TOKENS = 20
PIECE = 1_000
"""Longest piece of a sentence that is counted at once: long pieces are many times slower."""


def train_tokenizer(
    documents: Path,
    genomes: dict[str, Path],
    output: Path,
    stats: Path,
    settings: TokenizerSettings,
    *,
    seed: int,
) -> None:
    """Learn merges from a random sample of training sentences.

    Parameters
    ----------
    documents
        ``documents.parquet`` of the training split.
    genomes
        Folder of each assembly, by name.
    output, stats
        ``tokenizer.json`` and ``stats.json`` to write.

    Raises
    ------
    InputError
        If the sample does not hold enough different pairs for the vocabulary asked for.
    """
    sample = list(_sample(documents, genomes, settings.sample_bases, seed))
    tokenizer = empty_tokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=settings.vocab_size,
        min_frequency=settings.min_frequency,
        # The library stops one short of the length it is given.
        max_token_length=settings.max_token_length + 1,
        special_tokens=list(SPECIAL_TOKENS),
        # Sorted by the trainer: the gap comes first and gets id 5.
        initial_alphabet=[GAP_TOKEN, *"ACGNT"],
        show_progress=False,
    )
    tokenizer.train_from_iterator((text.decode() for text in sample), trainer, len(sample))
    size = tokenizer.get_vocab_size()
    if size < settings.vocab_size:
        bases = sum(map(len, sample))
        raise InputError(
            f"a sample of {bases:,} bases supports a vocabulary of {size:,} tokens, "
            f"not of {settings.vocab_size:,}",
            path=documents,
            where="tokenizer.vocab_size",
            expected=f"at most {size:,}",
            remedy=f"set `vocab_size` to {size} or less, or give a larger corpus "
            "or a larger `sample_bases`",
        )
    write_text(output, tokenizer.to_str(pretty=True) + "\n")
    write_json(stats, {**_stats(output, tokenizer, sample), "provenance": provenance(
        settings.model_dump(mode="json"), inputs={"documents": documents}, seed=seed
    )})  # fmt: skip


def empty_tokenizer() -> Tokenizer:
    """Return a tokenizer with all but the vocabulary: normalizer, splitting, [CLS] and [SEP].

    Lower case becomes upper case, U becomes T, ambiguity codes become N, and runs of 10 N or
    more become one gap token.
    """
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL_TOKENS[0], fuse_unk=False))
    upper = [normalizers.Replace(low, low.upper()) for low in "acgtn"]
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Strip(),
            *upper,
            normalizers.Replace(Regex("[uU]"), "T"),
            normalizers.Replace(Regex("[RYSWKMBDHVryswkmbdhv]"), "N"),
            normalizers.Replace(Regex(f"N{{{GAP_LENGTH},}}"), GAP_TOKEN),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(GAP_TOKEN, "isolated")
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )
    tokenizer.decoder = decoders.Fuse()
    return tokenizer


def _sample(documents: Path, genomes: dict[str, Path], bases: int, seed: int) -> Iterator[bytes]:
    """Yield sentences of a random choice of documents, until there are enough bases."""
    lengths = np.array([d.end - d.start for d in read_documents(documents)], dtype=np.int64)
    order = named_generator(seed, "tokenizer").permutation(len(lengths))
    before = np.cumsum(lengths[order]) - lengths[order]
    chosen = set(order[before < bases].tolist())
    left = bases
    opened = {name: Genome(path) for name, path in genomes.items()}
    with progress_bar("sampling sentences", total=bases, unit="base") as bar:
        for document in read_documents(documents):
            if document.number not in chosen:
                continue
            for sentence in read_sentences(opened[document.assembly], document):
                for begin in range(0, min(len(sentence), left), PIECE):
                    yield sentence[begin : min(begin + PIECE, left)]
                left = max(left - len(sentence), 0)
                bar.update(len(sentence))


def _stats(output: Path, tokenizer: Tokenizer, sample: list[bytes]) -> dict[str, Any]:
    """Describe the vocabulary and its use on the sample, at most 5 million bases of it."""
    lengths = token_lengths(tokenizer)
    size = len(lengths)
    enough = int(np.searchsorted(np.cumsum([len(text) for text in sample]), 5_000_000)) + 1
    encoder, used = SentenceEncoder(output), np.zeros(size, dtype=np.int64)
    for begin in range(0, min(enough, len(sample)), 1_000):
        tokens, _ = encoder.encode(sample[begin : min(begin + 1_000, enough)])
        used += np.bincount(tokens, minlength=size)
    names = vocabulary(tokenizer)
    words = names[GAP + 1 :]
    known = set(words)
    both = sum(reverse_complement(word.encode()).decode() in known for word in words)
    return {
        "vocab_size": size,
        "token_lengths": _histogram(Counter(lengths[GAP + 1 :].tolist())),
        "text_token_lengths": _histogram(Counter(dict(_by_length(lengths, used)))),
        "sample_bases": int((used * lengths).sum()),
        "sample_tokens": int(used.sum()),
        "bases_per_token": float((used * lengths).sum() / used.sum()),
        "tokens_used": int((used[GAP + 1 :] > 0).sum()),
        "reverse_complement_share": both / len(words),
        "top_tokens": [
            {"token": names[int(number)], "count": int(used[number])}
            for number in np.argsort(-used, kind="stable")[:TOP_TOKENS]
        ],
    }


def _by_length(lengths: Any, used: Any) -> Iterator[tuple[int, int]]:
    for length in np.unique(lengths[GAP + 1 :]):
        yield int(length), int(used[lengths == length].sum())


def _histogram(counts: Counter[int]) -> dict[str, int]:
    return {str(length): counts[length] for length in sorted(counts)}
