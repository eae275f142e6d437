"""Made-up tasks of every kind of target."""

from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_lib.finetuning.examples import Examples, Target, as_lists, completed

LETTERS = np.array(list("ACGT"))
SPLITS = ("train", "valid", "test")


def examples(
    sequences: list[str], targets: np.ndarray, target: Target, *, shares=(0.6, 0.2, 0.2), **columns
) -> Examples:
    """Return examples in the order train, valid, test."""
    count = len(sequences)
    borders = np.cumsum([0, *(round(count * share) for share in shares)])
    borders[-1] = count
    table = pd.DataFrame(
        {
            "example": np.arange(count),
            "split": np.repeat(SPLITS, np.diff(borders)),
            "group": np.arange(count),
            "sequence": sequences,
            "target": as_lists(np.asarray(targets, dtype=np.float32).reshape(count, -1)),
            **columns,
        }
    )
    return Examples(completed(table), target)


def rich_in(letter: str, shares: np.ndarray, length: int, rng: np.random.Generator) -> list[str]:
    """Return sequences with a given share of a letter, all others equally frequent."""
    texts = []
    for share in shares:
        weights = np.where(letter == LETTERS, share, (1 - share) / 3)
        texts.append("".join(rng.choice(LETTERS, length, p=weights)))
    return texts


def start_sites(count=600, seed=0) -> Examples:
    """Return true start sites, richer in C downstream, and decoys."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    up = rich_in("A", np.full(count, 0.25), 30, rng)
    down = rich_in("C", np.where(labels == 1, 0.5, 0.25), 30, rng)
    place = np.arange(count) * 100
    return examples(
        [f"{before}ATG{after}" for before, after in zip(up, down, strict=True)],
        labels,
        Target("class", ("decoy", "tis")),
        shares=((count - 200) / count, 100 / count, 100 / count),
        focus=30,
        kind=np.where(labels == 1, "tis", rng.choice(["upstream", "intergenic"], count)),
        assembly="test",
        contig="a",
        strand="+",
        position=place + 30,
        start=place,
        end=place + 63,
    )


def composition_classes(count=450, seed=0) -> Examples:
    """Return three classes of sequences, each rich in another letter."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    texts = [rich_in("ACG"[label], np.array([0.4]), 60, rng)[0] for label in labels]
    return examples(texts, labels, Target("class", ("a", "c", "g")))


def composition_labels(count=400, seed=0, labels=4) -> Examples:
    """Return labels: A, C, G or T is frequent, over and over; some are not known."""
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(LETTERS, 60, p=rng.dirichlet([4] * 4))) for _ in range(count)]
    shares = np.array([[text.count(letter) / 60 for letter in "ACGT"] for text in texts])
    values = (shares[:, np.arange(labels) % 4] > 0.27).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    groups = {"even": tuple(range(0, labels, 2)), "odd": tuple(range(1, labels, 2))}
    return examples(texts, values, Target("labels", tuple(f"l{i}" for i in range(labels)), groups))


def composition_numbers(count=400, seed=0) -> Examples:
    """Return two numbers, one of the sequence and one of a number given with it."""
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(LETTERS, 60, p=rng.dirichlet([3] * 4))) for _ in range(count)]
    given = rng.normal(5, 2, count)
    first = np.array([100 + 30 * text.count("C") / 60 for text in texts])
    values = np.stack([first + rng.normal(0, 0.5, count), given * 3], axis=1)
    values[::7, 1] = np.nan
    target = Target("numbers", ("expression", "given"))
    return examples(texts, values, target, numbers=as_lists(given[:, None]))


def pairs(count=400, seed=0) -> Examples:
    """Return pairs of sequences, told apart by the partner alone."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, count)
    first = rich_in("A", np.full(count, 0.25), 40, rng)
    partners = rich_in("G", np.where(labels == 1, 0.45, 0.25), 50, rng)
    return examples(first, labels, Target("class", ("no", "yes")), partner=partners)


def write_stats(path: Path, protocol="strict", exact=0.0, homologous=0.0) -> Path:
    """Write what the evaluation reads of ``stats.json``."""
    leak = f'{{"exact": {exact}, "homologous": {homologous}}}'
    path.write_text(f'{{"protocol": "{protocol}", "leak": {leak}}}')
    return path
