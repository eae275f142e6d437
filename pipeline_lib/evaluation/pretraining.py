"""Held-out bits per base of a language model, beside simpler models.

For a model of the next token it is a likelihood: the sum of -log2 p of all tokens, each predicted
from those before it in its window, divided by the bases that they cover.

For a masked model it is a pseudo-likelihood. Every held-out token is hidden exactly once, together
with others that are drawn at random, and the model predicts it from both sides (Salazar et al.
2020, who hide one token at a time). It compares models with different tokenizers. It is no
likelihood: a model that reads both sides, and the length of every token, can be better than any
that reads one.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.errors import InputError
from pipeline_lib.evaluation.bootstrap import mean_interval
from pipeline_lib.evaluation.likelihood import Measure, next_token_bits, surprise
from pipeline_lib.evaluation.windows import Window, batches, masked_inputs, read_windows
from pipeline_lib.files import read_json, write_json
from pipeline_lib.models.build import LanguageModel
from pipeline_lib.pretraining.folder import load_language_model
from pipeline_lib.progress import progress_bar
from pipeline_lib.provenance import provenance
from pipeline_lib.randomness import named_generator
from pipeline_lib.shards.reader import Shards
from pipeline_lib.tokenizer.vocabulary import Vocabulary, read_vocabulary

BATCH_TOKENS = 4_096

Array = NDArray[np.float64]


def evaluate_pretraining(
    model: Path,
    train: Path,
    test: Path,
    baselines: Path,
    output: Path,
    settings: EvaluationConfig,
    *,
    name: str,
    seed: int,
    threads: int,
) -> None:
    """Measure a pretrained model on the test split and write the result as JSON.

    Intervals come from resampling blocks of 10 kb of the genome, both strands together.

    Parameters
    ----------
    model
        Model folder.
    train, test
        Shard folders of the two splits. From the first one the frequencies of tokens are taken.
    baselines
        JSON with the Markov models of the corpus.
    output
        JSON file to write.
    settings
        Rounds, most bases to measure, and how intervals are made.
    name
        Name of the model.
    seed
        Seed of rounds and resampling.
    threads
        CPU threads.

    Raises
    ------
    InputError
        If the test split has no token to predict.
    """
    torch.set_num_threads(threads)
    network, architecture = load_language_model(model)
    vocabulary = read_vocabulary(model / "tokenizer.json")
    shards = Shards(test)
    _check_vocabulary(shards, test, len(vocabulary))
    windows = read_windows(
        shards,
        vocabulary,
        context_length=architecture.input_length,
        max_bases=settings.max_bases,
        rounds=settings.mask_rounds,
        seed=seed,
    )
    scored = scored_lengths(vocabulary)
    lengths = [np.where(w.rounds >= 0, scored[w.tokens], 0) for w in windows]
    if not any(found.any() for found in lengths):
        raise InputError(
            "has no token to predict", path=test, remedy="hold out more sequence in `holdouts.test`"
        )
    summary = partial(_summary, windows=windows, lengths=lengths, settings=settings, seed=seed)
    ways = _bits(network, windows, vocabulary, settings)
    shares = token_frequencies(Shards(train), vocabulary)
    markov = read_json(baselines)
    result = {
        "model": name,
        "measure": "likelihood" if network.causal else "pseudo-likelihood",
        "family": architecture.family,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "corpus_test_bases": int(shards.manifest["bases"]),
        "bases": int(sum(found.sum() for found in lengths)),
        "tokens": int(sum((found > 0).sum() for found in lengths)),
        "windows": len(windows),
        **{way: summary(bits) for way, bits in ways.items()},
        "baselines": {
            "uniform": 2.0,
            "token_unigram": summary([-np.log2(shares[window.tokens]) for window in windows]),
            "markov": markov["markov"],
        },
        "best_markov_order": markov["best_order"],
        "provenance": provenance(
            settings.model_dump(mode="json"), inputs=_inputs(model, train, test), seed=seed
        ),
    }
    write_json(output, result)


def _bits(
    network: LanguageModel,
    windows: list[Window],
    vocabulary: Vocabulary,
    settings: EvaluationConfig,
) -> dict[str, list[Array]]:
    """Return the bits of every token of every window, and of both strands' mean where asked for."""
    if network.causal:
        return {"bits_per_base": next_token_bits(network, windows, vocabulary)}
    bits = token_bits(network, windows, settings.mask_rounds, vocabulary)
    if settings.both_strands and (others := mirrored_windows(windows, vocabulary)):
        turned = token_bits(network, others, settings.mask_rounds, vocabulary)
        return {"bits_per_base": bits, "both_strands": mean_of_strands(bits, turned)}
    return {"bits_per_base": bits}


def _check_vocabulary(shards: Shards, path: Path, size: int) -> None:
    if int(shards.manifest["vocab_size"]) != size:
        raise InputError(
            f"was written with {shards.manifest['vocab_size']:,} tokens, the model's tokenizer has "
            f"{size:,}",
            path=path,
            expected="shards written with the tokenizer of the model",
            remedy="name that tokenizer in `pretraining.models.*.tokenizer`",
        )


def scored_lengths(vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return the bases of each token that is scored, and 0 for those that are not.

    Markov models skip letters other than A, C, G and T; so do we skip tokens that hold one.
    """
    known = [set(word) <= set("ACGT") for word in vocabulary.words]
    lengths = vocabulary.lengths * (vocabulary.overlap + 1)
    return np.where(known, lengths, 0).astype(np.int64)


def mirrored_windows(windows: list[Window], vocabulary: Vocabulary) -> list[Window]:
    """Return the windows as the other strand shows them, each token hidden in the same round.

    None if a word of them has no reverse complement in the vocabulary, as in byte-pair encoding.
    """
    turned = vocabulary.turned(complement=True)
    mirrored = [replace(w, tokens=turned[w.tokens][::-1], rounds=w.rounds[::-1]) for w in windows]
    return [] if any((window.tokens < 0).any() for window in mirrored) else mirrored


def mean_of_strands(bits: list[Array], turned: list[Array]) -> list[Array]:
    """Return -log2 of the mean probability of either strand; those of the second are reversed."""
    return [
        -np.log2((2.0**-own + 2.0 ** -other[::-1]) / 2)
        for own, other in zip(bits, turned, strict=True)
    ]


@torch.inference_mode()
def token_bits(
    network: LanguageModel,
    windows: list[Window],
    rounds: int,
    vocabulary: Vocabulary,
    measure: Measure | None = None,
) -> list[Array]:
    """Return -log2 of the probability of every token of every window, each hidden once.

    Probabilities are over ordinary tokens: a model is not charged for what it thinks of [PAD].
    Another ``measure`` is taken in place of :func:`surprise`, as in :func:`next_token_bits`.

    Returns
    -------
    list of ndarray
        For each window, shape (length,).
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device).eval()
    bits = [np.full(len(window.tokens), np.nan) for window in windows]
    total = sum(len(window.tokens) for window in windows)
    with progress_bar("bits per base", total=total, unit="token") as bar:
        for indices in batches(windows, BATCH_TOKENS):
            batch = [windows[index] for index in indices]
            for round_number in range(rounds):
                tokens, hidden = masked_inputs(batch, round_number, vocabulary)
                if not hidden.any():
                    continue
                inputs = torch.from_numpy(tokens).to(device)
                targets = torch.from_numpy(hidden).to(device)
                logits = network(inputs, inputs != vocabulary.pad, targets).float()
                truth = np.concatenate([w.tokens[w.rounds == round_number] for w in batch])
                found = (measure or surprise)(logits, truth, vocabulary.first)
                first = 0
                for index, window in zip(indices, batch, strict=True):
                    chosen = window.rounds == round_number
                    bits[index][chosen] = found[first : first + chosen.sum()]
                    first += int(chosen.sum())
            bar.update(sum(len(window.tokens) for window in batch))
    return bits


def token_frequencies(train: Shards, vocabulary: Vocabulary) -> Array:
    """Return the share of each ordinary token in training, smoothed by adding 1/2.

    Special tokens, which are never predicted, have no share (NaN).
    """
    counts, first = np.zeros(len(vocabulary)), vocabulary.first
    for *_, tokens in train.rows():
        counts += np.bincount(tokens, minlength=len(vocabulary))
    shares = np.full(len(vocabulary), np.nan)
    shares[first:] = (counts[first:] + 0.5) / (counts[first:] + 0.5).sum()
    return shares


def _summary(
    bits: list[Array],
    *,
    windows: list[Window],
    lengths: list[NDArray[np.int64]],
    settings: EvaluationConfig,
    seed: int,
) -> dict[str, float]:
    """Return bits per base over the scored tokens, with its interval."""
    numbers = {place: i for i, place in enumerate(dict.fromkeys(w.place for w in windows))}
    sums, bases = np.zeros(len(numbers)), np.zeros(len(numbers))
    for values, window, found in zip(bits, windows, lengths, strict=True):
        sums[numbers[window.place]] += values[found > 0].sum()
        bases[numbers[window.place]] += found.sum()
    return mean_interval(
        sums,
        bases,
        samples=settings.bootstrap_samples,
        confidence=settings.confidence,
        generator=named_generator(seed, "pretraining"),  # the same resamplings for every model
    )


def _inputs(model: Path, train: Path, test: Path) -> dict[str, str | Path]:
    return {
        "model": model / "model.safetensors",
        "tokenizer": model / "tokenizer.json",
        "train": train / "manifest.json",
        "test": test / "manifest.json",
    }
