"""How variants change what is said of the windows that hold them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.baselines import reached
from pipeline_lib.evaluation.features import features
from pipeline_lib.evaluation.linear import trials
from pipeline_lib.evaluation.zero.model import ModelReader
from pipeline_lib.finetuning.encoding import mirrored
from pipeline_lib.finetuning.examples import MIDDLE, Examples, completed
from pipeline_lib.finetuning.scorer import load_tuned
from pipeline_lib.genome.reader import Genome
from pipeline_lib.pretraining.folder import load_language_model
from pipeline_lib.progress import progress
from pipeline_lib.sequence import reverse_complement
from pipeline_lib.tokenizer.encode import SentenceEncoder

LEAST = 1e-6
"""Probabilities are kept so far from 0 and 1, for log-odds."""

Array = NDArray[np.float64]


def windows_with(variants: pd.DataFrame, windows: pd.DataFrame, genome: Genome) -> pd.DataFrame:
    """Return every pair of a variant and a window that holds it, with both sequences.

    Both have the length of the window: after an insertion bases are cut off at the forward end of
    the window, after a deletion bases of the genome are added there.

    Returns
    -------
    DataFrame
        Columns variant (index in ``variants``), split, focus, sequence and changed (in reading
        direction), forward (the window on the forward strand) and place (of the variant in it).
    """
    rows = []
    for contig, own in windows.groupby("contig", sort=False):
        held = variants[variants["contig"] == contig].sort_values("position")
        positions, size = held["position"].to_numpy(), genome.contigs[str(contig)]
        known = list(zip(held.index, positions, held["ref"], held["alt"], strict=True))
        places = (own[name].tolist() for name in ("start", "end", "strand", "split", "focus"))
        for start, end, strand, split, focus in zip(*places, strict=True):
            first, last = np.searchsorted(positions, [start, end])
            for variant, position, ref, alt in known[first:last]:
                reach = end + max(len(ref) - len(alt), 0)
                if position + len(ref) > end or reach > size:
                    continue  # not wholly in the window, or a deletion at the end of the contig
                place = int(position) - start
                whole = genome.fetch(str(contig), start, reach).upper().decode()
                forward = whole[: end - start]
                changed = (forward[:place] + alt + whole[place + len(ref) :])[: end - start]
                sides = [_turned(text, strand) for text in (forward, changed)]
                rows.append((variant, split, focus, *sides, forward, place, ref, alt))
    columns = ["variant", "split", "focus", "sequence", "changed", "forward", "place", "ref", "alt"]
    return pd.DataFrame(rows, columns=columns)


def tuned_changes(folder: Path, windows: pd.DataFrame) -> Array:
    """Return the change of the log-odds of each window, the mean of both strands."""
    scorer = load_tuned(folder)
    sides = [_log_odds(scorer.score(side).astype(np.float64)) for side in _sides(windows)]
    return np.asarray((sides[1] - sides[0] + sides[3] - sides[2]) / 2)


def kmer_changes(
    examples: Examples, windows: pd.DataFrame, settings: EvaluationConfig, seed: int
) -> Array:
    """Return the change of the log-odds by the k-mer regression that is best on valid."""
    known = examples.table[examples.table["split"] != "test"]
    none: Any = [np.zeros(1, np.float32)] * len(windows)
    one, other, *_ = (side.assign(target=none) for side in _sides(windows))
    if (known["focus"] < 0).any():
        one, other = one.assign(focus=MIDDLE), other.assign(focus=MIDDLE)
    every = Examples(pd.concat([known, one, other], ignore_index=True), examples.target)
    train = (every.table["split"] == "train").to_numpy()
    best, scores = -np.inf, np.zeros((len(every), 2))
    for k in progress(sorted(set(settings.baseline_kmers)), "k-mer regressions", unit="k"):
        table = features(every, k)
        for _, found in trials(every.target, table, every.targets(), train, seed=seed):
            value = reached(every, found)
            if value > best:
                best, scores = value, np.asarray(found, dtype=np.float64)
    odds = _log_odds(scores)[len(known) :]
    return odds[len(windows) :] - odds[: len(windows)]


def unlikelihoods(
    model: Path,
    windows: pd.DataFrame,
    settings: EvaluationConfig,
    seed: int,
    variants: pd.DataFrame,
) -> Array:
    """Return how much less likely the alternative allele is than the reference; log2.

    NaN for insertions and deletions, whose likelihood depends on their length.
    """
    network, architecture = load_language_model(model)
    encoder = SentenceEncoder(model / "tokenizer.json")
    reader = ModelReader(network, encoder, architecture.input_length, settings.mask_rounds, seed)
    single = windows.drop_duplicates("variant")
    single = single[(single["ref"].str.len() == 1) & (single["alt"].str.len() == 1)]
    found = dict.fromkeys(variants.index.tolist(), np.nan)
    texts: list[bytes] = []
    places: list[int] = []
    rows: list[tuple[int, int]] = []
    columns = (single[name].tolist() for name in ("variant", "forward", "place", "alt"))
    for variant, forward, place, alt in zip(*columns, strict=True):
        first = max(0, min(place - reader.reach // 2, len(forward) - reader.reach))
        text = forward[first : first + reader.reach].encode()
        if set(text) <= set(b"ACGT") and alt in "ACGT":
            texts.append(text)
            places.append(place - first)
            rows.append((variant, "ACGT".index(alt)))
    for (variant, base), values in zip(rows, reader.ratios(texts, places), strict=True):
        found[variant] = -float(values[base])
    return np.array(list(found.values()), dtype=np.float64)


def largest_changes(change: Array, windows: pd.DataFrame, variants: pd.DataFrame) -> Array:
    """Return the largest change in size over the windows of each variant."""
    sizes = pd.Series(np.abs(change)).groupby(windows["variant"].to_numpy()).max()
    return np.asarray(sizes.loc[variants.index], dtype=np.float64)


def _sides(windows: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the reference, the alternative, and both as the other strand shows them."""
    one = completed(windows[["sequence", "focus"]].assign(example=0, split="test", group=-1,
                                                          target=None))  # fmt: skip
    other = one.assign(sequence=windows["changed"])
    return [one, other, mirrored(one), mirrored(other)]


def _log_odds(probabilities: Array) -> Array:
    kept = probabilities[:, 1].clip(LEAST, 1 - LEAST)
    return np.asarray(np.log(kept / (1 - kept)))


def _turned(text: str, strand: str) -> str:
    return text if strand == "+" else reverse_complement(text.encode()).decode()
