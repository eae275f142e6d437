"""Does a model tuned to translation initiation sites know the start codon and the reading frame?

    dnalm explain results/finetuning/datasets/tis/examples.parquet --where split=test \
        --where kind=tis --model MODEL --average -o explained
    python benchmarks/explain_starts.py explained --model MODEL \
        --examples results/finetuning/datasets/tis/examples.parquet

Of the held-out sites that were explained by mutagenesis: how much the start codon matters beside
all other codons, and whether what matters downstream has a period of three. Then stop codons are
written into the sites, in the frame of the start codon and in the two others. Prints a table in
Markdown; intervals are of 95 %, over resamplings of sites.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.application.explanation.model import TunedOutput, load_output
from pipeline_lib.evaluation.bootstrap import mean_interval, resample
from pipeline_lib.randomness import named_generator

Array = NDArray[np.float64]
STOPS = ("TAA", "TAG", "TGA")
SAMPLES, SEED = 2_000, 1
FIRST_CODON = 2
"""The first codon, counted from 0, that of the start, that is replaced or looked at."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("explained", type=Path, help="folder of `dnalm explain --method ...`")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--sites", type=int, default=150, help="most sites with stops written in")
    arguments = parser.parse_args()
    bases = pd.read_parquet(arguments.explained / "bases.parquet")
    names = pd.read_csv(arguments.explained / "sequences.tsv", sep="\t")["name"]
    importance = np.stack([part for _, part in bases.groupby("number")["importance"]])
    numbers = names.str.removeprefix("example ").astype(int)
    table = pd.read_parquet(arguments.examples).set_index("example").loc[numbers]
    focus = int(table["focus"].iloc[0])
    print("| what | mean | 95 % interval |\n|---|---:|---|")
    for what, values in codons(importance.astype(np.float64), focus).items():
        print(line(what, values))
    for what, values in periods(importance.astype(np.float64), focus).items():
        print(line(what, values))
    step = max(1, len(table) // arguments.sites)
    model, chosen = load_output(arguments.model), table.iloc[::step]
    for what, values in stops(model, chosen, focus).items():
        print(line(what, values))


def codons(importance: Array, focus: int) -> dict[str, Array]:
    """Return the importance of the start codon, and of the mean of all other three bases."""
    start = importance[:, focus : focus + 3].sum(axis=1)
    others = 3 * np.delete(importance, range(focus, focus + 3), axis=1).mean(axis=1)
    sizes = 3 * np.abs(np.delete(importance, range(focus, focus + 3), axis=1)).mean(axis=1)
    return {
        "start codon: sum of its three bases": start,
        "three other bases": others,
        "three other bases, whatever the sign": sizes,
        "start codon minus three others": start - sizes,
    }


def periods(importance: Array, focus: int) -> dict[str, Array]:
    """Return the importance of each place of a codon downstream, and the strength of period 3.

    That is the share of the power of the mean profile that has a period of three: a number of
    all sites together, of which the rows are resamplings.
    """
    size = np.abs(importance)
    count = (size.shape[1] - focus) // 3 - FIRST_CODON
    first = focus + 3 * FIRST_CODON
    downstream = size[:, first : first + 3 * count]
    upstream = size[:, focus - 3 * count : focus] if focus >= 3 * count else size[:, :focus]
    found = {
        f"downstream, base {place + 1} of codons: size": downstream[:, place::3].mean(axis=1)
        for place in range(3)
    }
    for name, part in (("downstream", downstream), ("upstream", upstream)):
        found[f"{name}: share of power at a period of three"] = powers(part)
    return found


def powers(size: Array) -> Array:
    """Return the share of power at a period of three of the mean, and of resampled means."""

    def share(means: Array) -> Array:
        centred = means - means.mean(axis=1, keepdims=True)
        power = np.abs(np.fft.rfft(centred, axis=1)) ** 2
        at = round(size.shape[1] / 3)
        return np.asarray(power[:, at] / power[:, 1:].sum(axis=1))

    usable = size[:, : size.shape[1] // 3 * 3]
    sites = np.arange(len(usable))
    generator = named_generator(SEED, "power")
    drawn = resample(lambda weights: share(weights @ usable), sites, SAMPLES, generator)
    return np.concatenate([share(usable.mean(axis=0, keepdims=True)), drawn])


def stops(model: TunedOutput, table: pd.DataFrame, focus: int) -> dict[str, Array]:
    """Return the mean change of the output by a stop codon in each frame, for each site.

    The same letters are written into the same sites: only the frame differs. As a control the
    letters of each stop in another order, which is no stop in the frame of the start codon.
    """
    found = {}
    own = model.values(table)
    for what, words, shift in (
        ("stop codon in frame", STOPS, 0),
        ("stop codon shifted by one base", STOPS, 1),
        ("stop codon shifted by two bases", STOPS, 2),
        ("the same letters in frame, in another order", ("AAT", "GAT", "GAT"), 0),
    ):
        changes = [
            model.values(table.assign(sequence=texts)) - own
            for texts in written(list(table["sequence"]), focus + shift, words)
        ]
        found[f"{what}: change of the {model.measure}"] = np.mean(changes, axis=0)
    inside, one, two = (found[key] for key in list(found)[:3])
    found["in frame minus the mean of the others"] = inside - (one + two) / 2
    return found


def written(sequences: list[str], start: int, words: tuple[str, ...]) -> Iterator[list[str]]:
    """Yield all sequences with a word written over one codon: codon after codon, in turn."""
    count = (len(sequences[0]) - start) // 3
    for number, codon in enumerate(range(FIRST_CODON, count)):
        place, word = start + 3 * codon, words[number % len(words)]
        yield [text[:place] + word + text[place + 3 :] for text in sequences]


def line(what: str, values: Array) -> str:
    """Return a row of the table: a mean over sites, or a number with its resamplings."""
    if "share of power" in what:
        low, high = np.quantile(values[1:], [0.025, 0.975])
        return f"| {what} | {values[0]:.3f} | {low:.3f} to {high:.3f} |"
    found = mean_interval(
        values, np.ones(len(values)), samples=SAMPLES, confidence=0.95,
        generator=named_generator(SEED, "sites"),
    )  # fmt: skip
    return f"| {what} | {found['value']:+.3f} | {found['low']:+.3f} to {found['high']:+.3f} |"


if __name__ == "__main__":
    main()
