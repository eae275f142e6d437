"""Translation initiation sites: true start codons against ATGs that are none.

Every example is a window around an ATG. Telling a start codon from an arbitrary stretch of
genome is easy, so decoys come from four places (see :mod:`pipeline_lib.finetuning.decoys`), and
scores are given against each. Splits are by contig or held-out interval, and no example in one
split is homologous to an example in another.
"""

from collections import Counter
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.config.tasks import StartSitesTask
from pipeline_lib.errors import InputError
from pipeline_lib.files import write_json
from pipeline_lib.finetuning.coding import Coding, read_coding
from pipeline_lib.finetuning.decoys import find_candidates, usable_windows
from pipeline_lib.finetuning.examples import (
    DECOYS,
    SPLITS,
    TRUE_SITE,
    Examples,
    Target,
    as_lists,
    write_examples,
)
from pipeline_lib.finetuning.homology import Homology, find_homology, separate
from pipeline_lib.finetuning.links import copy_numbers, leak
from pipeline_lib.finetuning.splits import STRADDLES, Splits
from pipeline_lib.genome.reader import Genome
from pipeline_lib.progress import progress
from pipeline_lib.provenance import provenance
from pipeline_lib.randomness import named_generator
from pipeline_lib.sequence import reverse_complement

TARGET = Target("class", ("decoy", TRUE_SITE))


def build_sites(
    genome: Path, directory: Path, settings: StartSitesTask, *, assembly: str, seed: int
) -> None:
    """Write ``examples.parquet`` and ``stats.json`` of a task.

    Parameters
    ----------
    genome
        Folder of the assembly, with ``annotation.gff3.gz``.
    directory
        Where the two files are written.
    settings
        The task.
    assembly
        Name of the assembly.
    seed
        Seed of the choice of decoys.

    Raises
    ------
    InputError
        If there is no annotation or no CDS in it, if a holdout names no contig, or if a split
        has no true site.
    """
    annotation = genome / "annotation.gff3.gz"
    if not annotation.exists():
        raise InputError(
            f"assembly {assembly!r} has no annotation",
            path=genome,
            expected=annotation.name,
            remedy=f"set `genome.assemblies.{assembly}.annotation` to its GFF3 file",
        )
    coding = read_coding(annotation)
    left_out: Counter[str] = Counter()
    with Genome(genome) as reader:
        splits = Splits(reader, settings.holdouts, assembly=assembly)
        candidates = _candidates(reader, coding, splits, settings, left_out, seed)
        candidates = limit_training(candidates, settings.max_training_sites)
        drawn = draw(candidates, settings.decoys_per_site)
        _check_splits(drawn, genome)
        examples = _with_sequences(drawn, reader, settings).assign(assembly=assembly)
    sequences = [sequence.encode() for sequence in examples["sequence"]]
    homology = find_homology(sequences, k=settings.homology_kmer, shared=settings.homology_shared)
    split = examples["split"].to_numpy().astype("U5")
    strict = settings.protocol == "strict"
    kept = separate(homology, split) if strict else np.ones(len(split), dtype=bool)
    remaining = homology.subset(kept)
    examples["group"] = -1
    examples.loc[kept, "group"] = remaining.groups()
    result = examples[kept].assign(example=np.arange(kept.sum()))
    _check_splits(result, genome)
    stats = {
        "transcripts": sum(len(one.transcripts) for one in coding.values()),
        "protocol": settings.protocol,
        "target": {"kind": TARGET.kind, "names": list(TARGET.names)},
        "sites_left_out": dict(sorted(left_out.items())),
        "candidates": _table(candidates),
        "drawn": _table(drawn),
        "homology": {
            "groups": int(result["group"].nunique()),
            "groups_across_splits": _straddling(homology.groups(), examples["split"]),
            "dropped": _table(examples[~kept]),
            "ignored_kmers": homology.ignored_kmers,
            "kept_kmer_share": homology.kept_share,
        },
        "examples": _table(result),
        "leak": _leak(sequences, remaining, split, kept),
        "leak_before": _leak(sequences, homology, split, np.ones(len(split), dtype=bool)),
        "provenance": provenance(
            settings.example_settings(),
            inputs={"genome": genome / "genome.fa.gz", "annotation": annotation},
            seed=seed,
        ),
    }
    write_examples(directory / "examples.parquet", Examples(result, TARGET))
    write_json(directory / "stats.json", stats)


def limit_training(candidates: pd.DataFrame, most: int | None) -> pd.DataFrame:
    """Keep at most so many true sites of the training split, chosen at random.

    Validation and test keep all of theirs, so that scores stay as exact as they can be.
    """
    if most is None:
        return candidates
    wanted = (candidates["kind"] == TRUE_SITE) & (candidates["split"] == "train")
    rank = candidates["priority"].where(wanted).rank(method="first")
    return candidates[~(wanted & (rank > most))]


def draw(candidates: pd.DataFrame, per_site: int) -> pd.DataFrame:
    """Choose the decoys: as many of each kind as there are true sites, in every split.

    Each gene with a site gives ``per_site`` decoys of each kind if it has them; what is missing
    is made up from other genes of the same split, without replacement.

    Parameters
    ----------
    candidates
        Columns contig, position, strand, kind, gene, split and priority (a random number).
    per_site
        Decoys of each kind for every true site.
    """
    sites = candidates[candidates["kind"] == TRUE_SITE]
    wanted = sites["split"].value_counts() * per_site
    decoys = candidates[candidates["kind"] != TRUE_SITE].sort_values("priority", kind="stable")
    rank = decoys.groupby(["split", "kind", "gene"], sort=False).cumcount()
    decoys = decoys.assign(spare=(rank >= per_site) | (decoys["gene"] == ""))
    decoys = decoys.sort_values(["spare", "priority"], kind="stable")
    turn = decoys.groupby(["split", "kind"], sort=False).cumcount()
    chosen = decoys[turn < decoys["split"].map(wanted).fillna(0)]
    drawn: pd.DataFrame = pd.concat([sites, chosen.drop(columns="spare")]).sort_index()
    return drawn.reset_index(drop=True)


def _candidates(
    genome: Genome,
    coding: dict[str, Coding],
    splits: Splits,
    settings: StartSitesTask,
    left_out: Counter[str],
    seed: int,
) -> pd.DataFrame:
    most = settings.decoys_per_site * sum(len(one.transcripts) for one in coding.values())
    tables = []
    for contig in progress(genome.contigs, "sites", unit="contig"):
        sequence = genome.fetch(contig, 0, genome.contigs[contig]).upper()
        table = find_candidates(sequence, coding.get(contig, Coding()), settings, left_out)
        table = usable_windows(table, sequence, settings, left_out)
        table["split"] = splits.of(contig, table["start"].to_numpy(), table["end"].to_numpy())
        straddling = table["split"] == STRADDLES
        sites = table["kind"] == TRUE_SITE
        left_out["window across the border of a holdout"] += int((sites & straddling).sum())
        table["priority"] = named_generator(seed, "decoys", contig).random(len(table))
        table = table[~straddling].assign(contig=contig)
        # More of a kind than could ever be drawn need not be held in memory.
        order = table.groupby(["split", "kind"], observed=True)["priority"].rank()
        table = table[(order <= most) | (table["kind"] == TRUE_SITE)]
        tables.append(table.astype({"strand": str, "kind": str, "gene": str}))
    return pd.concat(tables, ignore_index=True)


def _with_sequences(drawn: pd.DataFrame, genome: Genome, settings: StartSitesTask) -> pd.DataFrame:
    sequences = np.empty(len(drawn), dtype=object)
    for contig, rows in drawn.groupby("contig", sort=False).indices.items():
        table = drawn.iloc[rows]
        whole = genome.fetch(str(contig), 0, genome.contigs[str(contig)]).upper()
        windows = [
            whole[start:end] if strand == "+" else reverse_complement(whole[start:end])
            for start, end, strand in zip(
                table["start"], table["end"], table["strand"], strict=True
            )
        ]
        sequences[rows] = [window.decode() for window in windows]
    target: Any = as_lists((drawn[["kind"]] == TRUE_SITE).to_numpy())
    return drawn.assign(sequence=sequences, focus=settings.upstream, target=target)


def _check_splits(examples: pd.DataFrame, genome: Path) -> None:
    sites = examples.loc[examples["kind"] == TRUE_SITE, "split"]
    for split in SPLITS:
        if not (sites == split).any():
            raise InputError(
                f"split {split!r} has no translation initiation sites",
                path=genome / "annotation.gff3.gz",
                expected="annotated start codons in the training, validation and test contigs",
                remedy="choose contigs with genes in the task's `holdouts`, and leave some over"
                " for training",
            )


def _leak(
    sequences: list[bytes],
    homology: Homology,
    splits: NDArray[np.str_],
    kept: NDArray[np.bool_],
) -> dict[str, float]:
    copies = copy_numbers(list(compress(sequences, kept)))
    return leak(splits[kept], lambda some: np.isin(copies, copies[some]), homology.linked_to)


def _straddling(groups: Any, splits: Any) -> int:
    spread = pd.Series(np.asarray(splits)).groupby(np.asarray(groups)).nunique()
    return int((spread > 1).sum())


def _table(examples: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count examples by split and kind."""
    counts = Counter(zip(examples["split"], examples["kind"], strict=True))
    kinds = (TRUE_SITE, *DECOYS)
    return {split: {kind: counts[split, kind] for kind in kinds} for split in SPLITS}
