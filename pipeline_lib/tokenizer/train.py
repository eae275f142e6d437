"""Making tokenizers: a byte-pair encoding is learnt (GENA-LM, Methods), k-mers are listed."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from pipeline_lib.config.tokenizer import Tokenizer as TokenizerSettings
from pipeline_lib.corpus.reader import Sequences, read_documents
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path, write_json
from pipeline_lib.progress import progress_bar
from pipeline_lib.provenance import provenance
from pipeline_lib.randomness import named_generator
from pipeline_lib.tokenizer.kmers import add_borders, clean_letters, kmer_tokenizer
from pipeline_lib.tokenizer.merges import SEPARATOR, learn_merges
from pipeline_lib.tokenizer.stats import STATS_BASES, describe
from pipeline_lib.tokenizer.vocabulary import GAP_LENGTH, GAP_TOKEN, SPECIAL_TOKENS

PIECE = 1_000
"""Longest piece of a sentence in which merges are counted."""

_GAP = re.compile(rb"N{%d,}" % GAP_LENGTH)
ALPHABET = (GAP_TOKEN, *"ACGNT")


def make_tokenizer(
    documents: Path,
    genomes: dict[str, Path],
    output: Path,
    stats: Path,
    settings: TokenizerSettings,
    *,
    seed: int,
    haplotypes: Path | None = None,
    threads: int = 1,
) -> None:
    """Make a tokenizer, and describe it on a random sample of training sentences.

    Parameters
    ----------
    documents
        ``documents.parquet`` of the training split.
    genomes
        Folder of each assembly, by name.
    output, stats
        ``tokenizer.json`` and ``stats.json`` to write.
    haplotypes
        Folder of the haplotypes of the corpus, where there are some.

    Raises
    ------
    InputError
        If the sample does not hold enough different pairs for the vocabulary asked for.
    """
    learnt = settings.kind == "bpe"
    bases = settings.sample_bases if learnt else min(settings.sample_bases, STATS_BASES)
    pieces = _sample(documents, Sequences(genomes, haplotypes), bases, seed)
    if learnt:
        text, sample = _as_symbols(pieces, bases)
        tokenizer = _learn(text, settings, documents, threads)
    else:
        sample, tokenizer = list(pieces), kmer_tokenizer(settings)
    with atomic_path(output) as temporary:
        temporary.write_text(tokenizer.to_str(pretty=True) + "\n", encoding="utf-8")
    made_by = provenance(
        settings.model_dump(mode="json"), inputs={"documents": documents}, seed=seed
    )
    write_json(stats, {**describe(output, sample), "provenance": made_by})


def byte_pair_tokenizer(words: list[str], merges: list[tuple[int, int]]) -> Tokenizer:
    """Return a byte-pair encoding with its normalizer, splitting at gaps, [CLS] and [SEP].

    Lower case becomes upper case, U becomes T, ambiguity codes become N, and runs of 10 N or
    more become one gap token.
    """
    ids = {word: number for number, word in enumerate(words)}
    pairs = [(words[left], words[right]) for left, right in merges]
    model = models.BPE(ids, pairs, unk_token=SPECIAL_TOKENS[0], fuse_unk=False)
    tokenizer = Tokenizer(model)
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.normalizer = clean_letters(gap=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(GAP_TOKEN, "isolated")
    tokenizer.decoder = decoders.Fuse()
    add_borders(tokenizer, ids)
    return tokenizer


def _learn(
    text: NDArray[np.uint16], settings: TokenizerSettings, documents: Path, threads: int
) -> Tokenizer:
    bases = int((text != SEPARATOR).sum())
    words, merges = learn_merges(
        text,
        [*SPECIAL_TOKENS, *ALPHABET],
        vocab_size=settings.vocab_size,
        min_frequency=settings.min_frequency,
        max_length=settings.max_token_length,
        threads=threads,
    )
    if len(words) < settings.vocab_size:
        raise InputError(
            f"a sample of {bases:,} bases supports a vocabulary of {len(words):,} tokens, "
            f"not of {settings.vocab_size:,}",
            path=documents,
            where="tokenizer.vocab_size",
            expected=f"at most {len(words):,}",
            remedy=f"set `vocab_size` to {len(words)} or less, or give a larger corpus "
            "or a larger `sample_bases`",
        )
    return byte_pair_tokenizer(words, merges)


def _as_symbols(pieces: Iterator[bytes], bases: int) -> tuple[NDArray[np.uint16], list[bytes]]:
    """Return the text as ids of letters, 2 bytes a base, and the pieces for the statistics."""
    table = np.full(256, SEPARATOR, dtype=np.uint16)  # nothing merges with a gap
    for number, letter in enumerate(ALPHABET[1:], start=len(SPECIAL_TOKENS) + 1):
        table[ord(letter)] = number
    symbols = np.empty(bases + bases // 100 + 1_000, dtype=np.uint16)
    size, kept, sample = 0, 0, list[bytes]()
    for piece in pieces:
        if kept < STATS_BASES:
            sample.append(piece)
            kept += len(piece)
        letters = _GAP.sub(GAP_TOKEN.encode(), piece) if b"N" * GAP_LENGTH in piece else piece
        end = size + len(letters) + 1
        if end > len(symbols):  # many short sentences, each with a separator of its own
            symbols = np.concatenate([symbols, np.empty(end + len(symbols) // 4, np.uint16)])
        symbols[size : end - 1] = table[np.frombuffer(letters, dtype=np.uint8)]
        symbols[end - 1] = SEPARATOR
        size = end
    return symbols[:size], sample


def _sample(documents: Path, sequences: Sequences, bases: int, seed: int) -> Iterator[bytes]:
    """Yield pieces of the sentences of a random choice of documents, of ``bases`` in all."""
    lengths = np.array([sum(d.sentence_lengths) for d in read_documents(documents)], np.int64)
    order = named_generator(seed, "tokenizer").permutation(len(lengths))
    before = np.cumsum(lengths[order]) - lengths[order]
    chosen = set(order[before < bases].tolist())
    left = bases
    with progress_bar("sampling sentences", total=bases, unit="base") as bar:
        for document in read_documents(documents):
            if document.number not in chosen:
                continue
            for sentence in sequences.sentences(document):
                for begin in range(0, min(len(sentence), left), PIECE):
                    yield sentence[begin : min(begin + PIECE, left)]
                left = max(left - len(sentence), 0)
                bar.update(len(sentence))
