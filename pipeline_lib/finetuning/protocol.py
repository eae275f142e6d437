"""From a source's rows to training, validation and test examples, by either protocol.

``strict``: first everything that belongs together (exact copies on either strand, homologous
sequences, one gene, one group of the source) is found; then examples are split so that nothing
that belongs together lies in two splits. ``paper``: the split is the published one, or drawn
row by row, and nothing is dropped. Under either the leak from training to test is measured.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.config.finetuning import Shares, Task
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import SPLITS, Examples, completed
from pipeline_lib.finetuning.homology import separate
from pipeline_lib.finetuning.links import Links, find_links, leak
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.splits import STRADDLES, Splits
from pipeline_lib.genome.reader import Genome
from pipeline_lib.randomness import named_generator

UNDECIDED = ""
PRECIOUS = ("test", "valid", "train")
SplitNames = NDArray[np.str_]


@dataclass(frozen=True)
class Divided:
    """Examples with their splits, and what is to be known about how they came about."""

    examples: Examples
    stats: dict[str, Any]


def divide(raw: Raw, settings: Task, genome: Genome | None, *, seed: int) -> Divided:
    """Split the rows of a source.

    Splits are, in this order of choice: the contigs and intervals of the task's `holdouts`; the
    published split, where what is missing of it is drawn from the training rows; at random by
    the task's `shares`. Random choices are of whole groups under the strict protocol, and take
    the same share of every class.

    Parameters
    ----------
    raw
        What the source holds.
    settings
        Protocol, holdouts, shares and what counts as homologous.
    genome
        The assembly that the rows have coordinates of, where there is one.
    seed
        Seed of random splits.

    Raises
    ------
    InputError
        If holdouts are given for rows without coordinates, or a split cannot be filled since too
        much belongs together.
    """
    strict = settings.protocol == "strict"
    table, left_out = raw.table.reset_index(drop=True), Counter(raw.left_out)
    splits = _published(table)
    if _holds_out(settings):
        splits = _by_holdouts(table, settings, genome)
        inside = splits != STRADDLES
        left_out["across the border of a holdout"] += int((~inside).sum())
        table, splits = table[inside].reset_index(drop=True), splits[inside]
    links = find_links(table, k=settings.homology_kmer, shared=settings.homology_shared)
    splits = _completed(splits, links, _strata(table, raw), settings.shares, strict, seed)
    before = leak(splits, links.copied_from, links.alike)
    kept = separate(links, splits, PRECIOUS) if strict else np.ones(len(table), dtype=bool)
    dropped = _dropped(links, splits, kept)
    links, splits, table = links.subset(kept), splits[kept], table[kept]
    groups = links.groups()
    table = table.assign(split=splits, group=groups, example=np.arange(len(table)))
    examples = Examples(completed(table), raw.target)
    stats = {
        "protocol": settings.protocol,
        "target": {"kind": raw.target.kind, "names": list(raw.target.names)},
        "rows_left_out": dict(sorted((reason, n) for reason, n in left_out.items() if n)),
        "examples": counts(examples),
        "leak": leak(splits, links.copied_from, links.alike),
        "leak_before": before,
        "dropped": dropped,
        "homology": {
            "groups": int(groups.max(initial=-1)) + 1,
            "largest_group": int(np.bincount(groups).max(initial=0)) if len(groups) else 0,
            "ignored_kmers": links.homology.ignored_kmers,
            "kept_kmer_share": links.homology.kept_share,
        },
        **raw.notes,
    }
    return Divided(examples, stats)


def counts(examples: Examples) -> dict[str, dict[str, int]]:
    """Count examples by split and class, or by split alone (``examples``)."""
    result: dict[str, dict[str, int]] = {}
    for split in SPLITS:
        part = examples.of(split)
        if examples.target.kind != "class":
            result[split] = {"examples": len(part)}
            continue
        classes = part.targets()[:, 0].astype(np.int64)
        found = np.bincount(classes, minlength=len(examples.target.names)).tolist()
        result[split] = dict(zip(examples.target.names, found, strict=True))
    return result


def draw_groups(
    groups: NDArray[np.int64],
    strata: NDArray[np.int64],
    shares: dict[str, float],
    generator: np.random.Generator,
) -> SplitNames:
    """Draw whole groups at random until every split has its share; the rest is for training.

    Parameters
    ----------
    groups
        Group of each row; shape (rows,).
    strata
        Class of each row. A group counts as its first row's, and every class is drawn from alone.
    shares
        Wanted share of the rows by split. A group that would overfill a split is passed over.
    generator
        Source of the order in which groups are drawn.
    """
    numbers, first, member = np.unique(groups, return_index=True, return_inverse=True)
    sizes, stratum = np.bincount(member, minlength=len(numbers)), strata[first]
    chosen = np.full(len(numbers), "train", dtype="U5")
    for value in np.unique(stratum):
        waiting = generator.permutation(np.flatnonzero(stratum == value))
        rows = int(sizes[waiting].sum())
        for split, share in shares.items():
            wanted = max(round(share * rows), 1) if share > 0 else 0
            taken, rest = 0, []
            for group in waiting:
                # The first may overfill a little: rather too many than none at all.
                room = wanted - taken if taken else max(wanted, rows // 4 if share else 0)
                if taken < wanted and sizes[group] <= room:
                    chosen[group], taken = split, taken + int(sizes[group])
                else:
                    rest.append(group)
            waiting = np.array(rest, dtype=np.int64)
    return chosen[member]


def _published(table: pd.DataFrame) -> SplitNames:
    if "split" not in table.columns:
        return np.full(len(table), UNDECIDED, dtype="U5")
    return table["split"].to_numpy().astype("U5")


def _completed(
    splits: SplitNames,
    links: Links,
    strata: NDArray[np.int64],
    shares: Shares,
    strict: bool,
    seed: int,
) -> SplitNames:
    """Draw the splits that are missing from the rows that are undecided or for training."""
    wanted = {
        split: float(getattr(shares, split))
        for split in ("test", "valid")
        if not (splits == split).any()
    }
    pool = np.isin(splits, (UNDECIDED, "train"))
    splits = np.where(splits == UNDECIDED, "train", splits).astype("U5")
    if not wanted or not pool.any():
        return splits
    groups = links.subset(pool).groups() if strict else np.arange(int(pool.sum()))
    drawn = draw_groups(groups, strata[pool], wanted, named_generator(seed, "splits"))
    for split in (*wanted, "train"):
        if wanted.get(split, 1.0) > 0 and not (drawn == split).any():
            raise _indivisible(split, np.bincount(groups))
    splits[pool] = drawn
    return splits


def _indivisible(split: str, sizes: NDArray[np.int64]) -> InputError:
    rows, largest = int(sizes.sum()), int(sizes.max())
    if largest == 1:
        return InputError(
            f"no examples are left for split {split!r}, since there are {rows:,} rows only",
            remedy="give the task more rows",
        )
    return InputError(
        f"no examples are left for split {split!r}: of {rows:,} rows, {largest:,} belong together, "
        "since they are copies, homologous, or of one gene or group",
        expected="groups small enough to be divided",
        remedy="raise `homology_shared` of the task, or give a published split or holdouts",
    )


def _strata(table: pd.DataFrame, raw: Raw) -> NDArray[np.int64]:
    if raw.target.kind != "class":
        return np.zeros(len(table), dtype=np.int64)
    return Examples(table, raw.target).targets()[:, 0].astype(np.int64)


def _holds_out(settings: Task) -> bool:
    held = (settings.holdouts.valid, settings.holdouts.test)
    return any(one.contigs or one.bed is not None for one in held)


def _by_holdouts(table: pd.DataFrame, settings: Task, genome: Genome | None) -> SplitNames:
    if "contig" not in table.columns or (table["contig"] == "").any():
        raise InputError(
            "`holdouts` are given, but not every example says where in the genome it lies",
            remedy="remove `holdouts` of the task, or give its examples with coordinates",
        )
    contigs = table["contig"].to_numpy().astype(str)
    splits = np.full(len(table), "train", dtype="U5")
    if genome is not None:
        held = Splits(genome, settings.holdouts, assembly=settings.assembly or "")
        for contig in np.unique(contigs):
            here = contigs == contig
            places = table.loc[here, ["start", "end"]].to_numpy()
            splits[here] = held.of(str(contig), places[:, 0], places[:, 1])
        return splits
    for split in ("valid", "test"):
        holdout = getattr(settings.holdouts, split)
        if holdout.bed is not None:
            raise InputError(
                f"`holdouts.{split}.bed` needs to know the assembly of the examples",
                remedy="name an entry of `genome.assemblies` in the task's `assembly`",
            )
        if absent := sorted(set(holdout.contigs) - set(contigs)):
            raise InputError(
                f"`holdouts.{split}` names {absent[0]!r}, but no example lies on a contig of "
                "this name",
                expected=f"one of {', '.join(sorted(set(contigs))[:20])}",
                remedy=f"correct `holdouts.{split}.contigs`",
            )
        splits[np.isin(contigs, holdout.contigs)] = split
    return splits


def _dropped(links: Links, splits: SplitNames, kept: NDArray[np.bool_]) -> dict[str, Any]:
    """Count what was dropped by reason and split: the first reason that holds."""
    reasons: dict[str, dict[str, int]] = {}
    for index, split in enumerate(PRECIOUS):
        above = kept & np.isin(splits, PRECIOUS[:index])
        left = ~kept & (splits == split)
        for reason, found in (
            ("exact copy", links.copied_from(above)),
            ("homologous", links.alike(above)),
            ("same gene or group", links.linked_to(above)),
        ):
            if (left & found).any():
                reasons.setdefault(reason, {})[split] = int((left & found).sum())
            left = left & ~found
    return reasons
