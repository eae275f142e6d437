"""Donors and acceptors of introns, against other GT and AG of the same genes.

Nearly all introns begin with GT and end with AG, so that the two letters alone tell nothing: the
decoys have them too, on the strand of the gene and within it.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.config.tasks_public import SpliceSitesTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.classes import as_column
from pipeline_lib.finetuning.sources.introns import SplicedGene, read_annotation, read_transcripts
from pipeline_lib.finetuning.sources.windows import (
    bounds,
    find_contig,
    needs_genome,
    resolve_contigs,
    with_sequences,
)
from pipeline_lib.genome.names import nearest, some
from pipeline_lib.genome.reader import Genome
from pipeline_lib.randomness import named_generator

CLASSES = ("neither", "acceptor", "donor")
LETTERS = {"donor": "GT", "acceptor": "AG"}
# The same two letters as they stand on the forward strand.
_ON_STRAND = {("GT", "+"): b"GT", ("GT", "-"): b"AC", ("AG", "+"): b"AG", ("AG", "-"): b"CT"}


def read(settings: SpliceSitesTask, genome: Genome | None, seed: int = 0) -> Raw:
    """Make examples of splice sites and of decoys.

    Returns
    -------
    Raw
        ``position`` is the leftmost base of the GT or AG, forward strand; base ``focus`` of the
        sequence is its first in reading direction. ``kind`` is "GT" or "AG": each has one true
        class and its decoys. ``split`` is known if ``test_contigs`` are given.

    Raises
    ------
    InputError
        If the table or annotation is malformed, or names an unknown contig.
    """
    genome = needs_genome(genome, settings.type)
    genes, contigs, path = _genes(settings, genome)
    left_out: Counter[str] = Counter()
    tables = []
    for contig in dict.fromkeys(contigs):
        own = [gene for gene, name in zip(genes, contigs, strict=True) if name == contig]
        if not contig:
            left_out["gene on a contig that was left out of the genome"] += len(own)
            continue
        tables.append(_examples(own, contig, genome, settings, left_out, seed))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    if table.empty:
        raise InputError(
            "there is no intron on a kept contig",
            path=path,
            remedy="use the assembly that the file was made for",
        )
    table["start"], table["end"] = bounds(
        table["position"] + (table["strand"] == "-"),
        table["strand"],
        settings.upstream,
        2 + settings.downstream,
    )
    table = with_sequences(table, genome, left_out)
    if settings.test_contigs:
        table = _published_split(table, settings, genome, left_out)
    index = table["class"].map(CLASSES.index).to_numpy(np.float32)
    table = table.drop(columns=["class", "paralogs"]).assign(
        target=as_column(index[:, None]), focus=settings.upstream, assembly=settings.assembly
    )
    notes: dict[str, object] = {
        "genes": len(genes),
        "introns": sum(len(gene.introns) for gene in genes),
    }
    return Raw(table.reset_index(drop=True), Target("class", CLASSES), left_out, notes)


def _genes(settings: SpliceSitesTask, genome: Genome) -> tuple[list[SplicedGene], list[str], Path]:
    if settings.table is None:
        path = genome.directory / "annotation.gff3.gz"
        if not path.exists():
            raise InputError(
                "the assembly has no annotation",
                path=genome.directory,
                expected=path.name,
                remedy=f"set `genome.assemblies.{settings.assembly}.annotation` to its GFF3 file, "
                "or the task's `table` to SpliceAI's table",
            )
        genes = read_annotation(path)
    else:
        path = Path(settings.table)
        genes = read_transcripts(path)
    names, lines = [gene.contig for gene in genes], [gene.line for gene in genes]
    return genes, resolve_contigs(names, lines, genome, path), path


def _examples(
    genes: list[SplicedGene],
    contig: str,
    genome: Genome,
    settings: SpliceSitesTask,
    left_out: Counter[str],
    seed: int,
) -> pd.DataFrame:
    """Return the sites and decoys of a contig, each position and strand once."""
    whole = genome.fetch(contig, 0, genome.contigs[contig]).upper()
    letters = np.frombuffer(whole, dtype=np.uint8)
    random = named_generator(seed, "splice decoys", contig)
    sites = _sites(genes, whole, left_out)
    taken = set(zip(sites["position"], sites["strand"], strict=True))
    counts = Counter(zip(sites["gene"], sites["kind"], strict=True))
    rows = []
    for gene in {gene.name: gene for gene in genes}.values():
        for kind in LETTERS.values():
            wanted = int(np.ceil(counts[gene.name, kind] * settings.decoys_per_site))
            found = gene.start + _places(letters[gene.start : gene.end], kind, gene.strand)
            # Some too many are drawn, since some may be sites or decoys of a gene that overlaps.
            drawn = (
                random.permutation(found)[: wanted + len(gene.introns) + 16]
                if wanted
                else found[:0]
            )
            free = [int(p) for p in drawn if (int(p), gene.strand) not in taken][:wanted]
            taken |= {(position, gene.strand) for position in free}
            rows += [(p, gene.strand, gene.name, gene.paralogs, kind, "neither") for p in free]
    decoys = pd.DataFrame(rows, columns=list(sites.columns))
    return pd.concat([sites, decoys], ignore_index=True).assign(contig=contig)


def _sites(genes: list[SplicedGene], whole: bytes, left_out: Counter[str]) -> pd.DataFrame:
    rows: dict[tuple[int, str], tuple[int, str, str, bool, str, str]] = {}
    for gene in genes:
        for position, name in _ends(gene):
            kind = LETTERS[name]
            if whole[position : position + 2] != _ON_STRAND[kind, gene.strand]:
                left_out[f"{name} that is not {kind}"] += 1
            elif (position, gene.strand) in rows:
                left_out["same site in two genes or transcripts"] += 1
            else:
                row = (position, gene.strand, gene.name, gene.paralogs, kind, name)
                rows[position, gene.strand] = row
    columns = ["position", "strand", "gene", "paralogs", "kind", "class"]
    return pd.DataFrame(list(rows.values()), columns=columns)


def _ends(gene: SplicedGene) -> Iterator[tuple[int, str]]:
    """Yield the leftmost base of the first and last two bases of each intron, and what they are."""
    names = ("donor", "acceptor") if gene.strand == "+" else ("acceptor", "donor")
    for start, end in gene.introns:
        yield start, names[0]
        yield end - 2, names[1]


def _places(letters: NDArray[np.uint8], kind: str, strand: str) -> NDArray[np.int64]:
    first, second = _ON_STRAND[kind, strand]
    return np.flatnonzero((letters[:-1] == first) & (letters[1:] == second))


def _published_split(
    table: pd.DataFrame, settings: SpliceSitesTask, genome: Genome, left_out: Counter[str]
) -> pd.DataFrame:
    held = {name: find_contig(name, genome) for name in settings.test_contigs}
    if unknown := [name for name, contig in held.items() if contig is None]:
        raise InputError(
            f"`test_contigs` names {some(unknown)}, which the genome does not have",
            path=genome.directory,
            expected=f"a contig such as {nearest(unknown[0], genome.contigs)}",
            remedy="correct `test_contigs` of the task",
        )
    test = table["contig"].isin(list(held.values()))
    copies = test & table["paralogs"].astype(bool)
    left_out["site on a test contig, of a gene with paralogs"] += int(copies.sum())
    return table.assign(split=np.where(test, "test", "train"))[~copies]
