"""Windows of several genomes, each a class: which species is a sequence from?"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.config.tasks_genome import SpeciesTask
from pipeline_lib.corpus.holdouts import read_holdouts
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import SPLITS, Target
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.classes import as_column
from pipeline_lib.finetuning.sources.windows import MAX_UNKNOWN_SHARE, find_contig, unknown_share
from pipeline_lib.genome.names import some
from pipeline_lib.genome.reader import Genome
from pipeline_lib.randomness import named_generator

TRIES = 20
"""Places drawn for every window that is wanted, before giving up."""


def read(settings: SpeciesTask, genomes: Mapping[str, Path], *, seed: int = 0) -> Raw:
    """Cut windows from genomes: the same number from each, and from the contigs of each split.

    A contig is in one split: in that of `holdouts`, of `valid_contigs` and `test_contigs`
    (HyenaDNA holds out chromosomes 1, 3, 12 and 13), or else whole contigs are drawn. With the
    protocol ``strict`` windows do not overlap, and long contigs give more of them. With ``paper``
    contig and place are drawn uniformly (Nguyen et al. 2023), so that windows may
    overlap and short contigs are read more often.

    Raises
    ------
    InputError
        If a species has too few contigs, or too little sequence for a split.
    """
    if missing := [name for name in settings.assemblies if name not in genomes]:
        raise ValueError(f"the folders of {', '.join(missing)} are not given")
    left_out: Counter[str] = Counter()
    tables, spread = [], {}
    opened = {name: Genome(genomes[name]) for name in settings.assemblies}
    for index, (name, genome) in enumerate(opened.items()):
        splits = contig_splits(name, opened, settings, seed)
        spread[name] = {split: len(contigs) for split, contigs in splits.items()}
        for split, contigs in splits.items():
            share = {"valid": settings.shares.valid, "test": settings.shares.test}
            wanted = round(settings.windows * share.get(split, 1 - sum(share.values())))
            random = named_generator(seed, "windows of species", f"{name} {split}")
            rows = _windows(genome, contigs, max(wanted, 1), settings, random, left_out)
            if not rows:
                raise _too_little(name, genome, split, settings)
            left_out[f"window that {name} has no room for in {split}"] += max(wanted - len(rows), 0)
            table = pd.DataFrame(rows, columns=["contig", "start", "sequence"])
            tables.append(table.assign(split=split, assembly=name, label=index))
        genome.close()
    result = pd.concat(tables, ignore_index=True)
    result = result.assign(
        target=as_column(result["label"].to_numpy()[:, None]),
        end=result["start"] + settings.length,
        position=result["start"] + settings.length // 2,
        strand="+",
    ).drop(columns="label")
    return Raw(result, Target("class", settings.assemblies), left_out, {"contigs": spread})


def contig_splits(
    name: str, genomes: Mapping[str, Genome], settings: SpeciesTask, seed: int
) -> dict[str, list[str]]:
    """Return the contigs of each split of a species, of those long enough for a window.

    Raises
    ------
    InputError
        If a split gets no contig.
    """
    genome = genomes[name]
    usable = [contig for contig, size in genome.contigs.items() if size >= settings.length]
    named = {"valid": settings.valid_contigs, "test": settings.test_contigs}
    if any(named.values()):
        chosen = {split: _named(genome, names) for split, names in named.items()}
    elif any(one.contigs or one.bed for one in (settings.holdouts.valid, settings.holdouts.test)):
        held = read_holdouts(dict(genomes), settings.holdouts)
        chosen = {
            split: {contig for assembly, contig in places if assembly == name}
            for split, places in held.items()
        }
    else:
        chosen = {}
    for split in ("test", "valid"):
        if not chosen.get(split):
            free = [contig for contig in usable if contig not in set().union(*chosen.values())]
            share = getattr(settings.shares, split)
            chosen[split] = _drawn(genome, free, share, named_generator(seed, split, name))
    splits = {split: [c for c in usable if c in chosen[split]] for split in ("valid", "test")}
    taken = chosen["valid"] | chosen["test"]
    splits["train"] = [contig for contig in usable if contig not in taken]
    for split in SPLITS:
        if not splits[split]:
            raise _too_little(name, genome, split, settings)
    return {split: splits[split] for split in SPLITS}


def _named(genome: Genome, names: Sequence[str]) -> set[str]:
    return {contig for name in names if (contig := find_contig(name, genome))}


def _drawn(
    genome: Genome, contigs: list[str], share: float, random: np.random.Generator
) -> set[str]:
    """Draw contigs until they hold a share of the bases; at least one, and never nearly all."""
    sizes = genome.contigs
    total = sum(sizes[contig] for contig in contigs)
    chosen: set[str] = set()
    bases = 0
    for contig in random.permutation(np.array(contigs, dtype=object)):
        room = share * total * 1.5 if chosen or len(contigs) > 3 else total
        if bases < share * total and bases + sizes[contig] <= room and len(contigs) > 1:
            chosen.add(contig)
            bases += sizes[contig]
    if not chosen and len(contigs) > 1:  # all are long: the shortest does least harm
        chosen.add(min(contigs, key=lambda contig: (sizes[contig], contig)))
    return chosen


def _windows(
    genome: Genome,
    contigs: list[str],
    wanted: int,
    settings: SpeciesTask,
    random: np.random.Generator,
    left_out: Counter[str],
) -> list[tuple[str, int, str]]:
    rows = []
    for contig, start in _places(genome, contigs, wanted, settings, random):
        window = genome.fetch(contig, start, start + settings.length).upper()
        if unknown_share(window) > MAX_UNKNOWN_SHARE:
            left_out["window with over 10 % unknown bases"] += 1
            continue
        rows.append((contig, start, window.decode("ascii")))
        if len(rows) == wanted:
            break
    return rows


def _places(
    genome: Genome,
    contigs: list[str],
    wanted: int,
    settings: SpeciesTask,
    random: np.random.Generator,
) -> list[tuple[str, int]]:
    """Return more places than are wanted, in random order."""
    sizes = np.array([genome.contigs[contig] for contig in contigs], dtype=np.int64)
    if settings.protocol == "paper":
        chosen = random.integers(len(contigs), size=wanted * TRIES)
        starts = (random.random(len(chosen)) * (sizes[chosen] - settings.length + 1)).astype(int)
        return [(contigs[c], int(start)) for c, start in zip(chosen, starts, strict=True)]
    # Windows side by side, as many as fit, from a random first base on.
    offsets = random.integers(0, np.minimum(sizes - settings.length + 1, settings.length))
    counts = (sizes - offsets) // settings.length
    picked = _sample(int(counts.sum()), wanted * TRIES, random)
    contig = np.searchsorted(np.cumsum(counts), picked, side="right")
    number = picked - (np.cumsum(counts) - counts)[contig]
    starts = offsets[contig] + number * settings.length
    return [(contigs[c], int(start)) for c, start in zip(contig, starts, strict=True)]


def _sample(population: int, size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Draw different numbers below a limit, in random order."""
    return np.asarray(random.choice(population, size=min(size, population), replace=False))


def _too_little(name: str, genome: Genome, split: str, settings: SpeciesTask) -> InputError:
    lengths = sorted(genome.contigs.values(), reverse=True)
    longest = ", ".join(f"{length:,}" for length in lengths[:3])
    return InputError(
        f"assembly {name!r} has no contig with a usable window of {settings.length:,} bases for "
        f"split {split!r}",
        path=genome.directory,
        expected="a contig of its own for each of train, valid and test; there are "
        f"{some(list(genome.contigs))}, the longest of {longest} bases",
        remedy="set a smaller `length`, or hold out other contigs (`holdouts`, `valid_contigs`, "
        "`test_contigs`) of the task",
    )
