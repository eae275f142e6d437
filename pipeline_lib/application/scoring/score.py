"""Scoring a file of variants: VCF or BCF in, VCF with an index out."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pysam
import torch

from pipeline_lib import __version__
from pipeline_lib.application.fasta import Sequences, open_genome
from pipeline_lib.application.identity import code_identity, file_identity, model_identity
from pipeline_lib.application.parts import Arrays, Parts, parts_of
from pipeline_lib.application.scoring.alleles import MISSING, UpperCase
from pipeline_lib.application.scoring.examine import Summary, examine
from pipeline_lib.application.scoring.fields import Fields, strength
from pipeline_lib.application.scoring.regions import RegionTable
from pipeline_lib.application.scoring.single import Allele, Scorer, open_scorer, score_alleles
from pipeline_lib.application.scoring.vcf import Record, VariantFile
from pipeline_lib.config.application_scoring import ScoreSettings
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_path
from pipeline_lib.genome.reader import FILES
from pipeline_lib.progress import progress_bar

TABIX_REACH = 1 << 29
"""Bases of a contig that an index of the kind `.tbi` can hold."""


def score_file(
    variants: Path,
    genome: Path,
    model: Path,
    output: Path,
    settings: ScoreSettings,
    *,
    bed: Path | None = None,
    table: Path | None = None,
    threads: int = 1,
) -> dict[str, Any]:
    """Write a file of variants with a model's scores in its INFO column.

    Records keep their order, their samples and the names of their contigs. A run that was killed
    goes on with the parts that it had finished, and ends with the same bytes.

    Parameters
    ----------
    variants
        VCF or BCF.
    genome
        FASTA, or the folder of a prepared genome.
    model
        Folder of a pretrained or tuned model.
    output
        ``.vcf.gz``; its index is written beside it, ``.tbi`` or, with contigs of more than 512
        Mb, ``.csi``.
    settings
        Windows, fields and limits.
    bed, table
        Regions over which scores are summed up, without them whole contigs, and where to write
        that as TSV.
    threads
        CPU threads.

    Returns
    -------
    dict
        How many records, alleles and scores there are, and why alleles have none.

    Raises
    ------
    InputError
        If an input cannot be used; see :func:`~.examine.examine`.
    """
    torch.set_num_threads(threads)
    if not output.name.endswith(".vcf.gz"):
        raise InputError(
            f"the output is named {output.name!r}",
            expected="a name that ends with .vcf.gz",
            remedy="give another name to `--output`",
        )
    file = VariantFile(variants)
    sequences = open_genome(genome)
    upper = UpperCase(sequences)
    regions = RegionTable(bed, sequences) if table is not None else None
    summary = examine(file, upper, settings.max_mismatch)
    scorer = open_scorer(
        model,
        window=settings.window,
        embedding=settings.embedding,
        batch_tokens=settings.batch_tokens,
    )
    fields = Fields.of(scorer, settings.prefix, settings.layout)
    _check_fields(file, fields)
    identity = {
        "variants": file_identity(variants),
        "genome": _genome_identity(genome),
        "model": model_identity(model),
        "settings": settings.model_dump(mode="json"),
        "code": code_identity(),
    }
    run = _Run(file, upper, scorer, fields, summary, settings.part_records)
    with parts_of(output, identity) as parts:
        _write(run, parts, output, _header(file, fields, summary, sequences, model), regions)
    if regions is not None and table is not None:
        regions.write(table)
    return summary.as_dict()


@dataclass
class _Run:
    file: VariantFile
    genome: UpperCase
    scorer: Scorer
    fields: Fields
    summary: Summary
    part_records: int

    def parts(self) -> Iterator[tuple[int, list[Record]]]:
        records = iter(self.file)
        number = 0
        while part := list(islice(records, self.part_records)):
            yield number, part
            number += 1

    def alleles(self, records: list[Record]) -> list[Allele]:
        """Return all alternative alleles, one that is missing where a record has none."""
        known = self.summary.contigs
        return [
            (known[record.contig], record.position - 1, record.ref, alt)
            for record in records
            for alt in record.alts or (".",)
        ]

    def compute(self, alleles: list[Allele]) -> Arrays:
        """Return reasons and scores of alleles as arrays."""
        reasons, columns = score_alleles(self.scorer, self.genome, alleles)
        return {"reasons": np.array(reasons, dtype="U32"), **columns}


def _write(
    run: _Run, parts: Parts, output: Path, header: list[str], regions: RegionTable | None
) -> None:
    """Write the output and its index; both appear once they are whole."""
    long = max((*run.genome.contigs.values(), 0)) > TABIX_REACH
    index = output.with_name(f"{output.name}.{'csi' if long else 'tbi'}")
    run.summary.reasons = Counter()
    with ExitStack() as stack:
        temporary = stack.enter_context(atomic_path(output))
        beside = stack.enter_context(atomic_path(index))
        bar = stack.enter_context(
            progress_bar("variants", total=run.summary.records, unit="record")
        )
        with pysam.BGZFile(str(temporary), "wb", None) as packed:
            packed.write("".join(f"{line}\n" for line in header).encode())
            for number, records in run.parts():
                alleles = run.alleles(records)
                # Bound now: the function is called before the next part is read.
                found = parts.get(number, lambda own=alleles: run.compute(own))  # type: ignore[misc]
                packed.write(_lines(run, records, found).encode())
                if regions is not None:
                    _sum_up(regions, alleles, records, found)
                bar.update(len(records))
        pysam.tabix_index(
            str(temporary), preset="vcf", force=True, keep_original=True, csi=long,
            min_shift=14 if long else -1, index=str(beside),
        )  # fmt: skip


def _lines(run: _Run, records: list[Record], found: Arrays) -> str:
    scores = {name: values for name, values in found.items() if name != "reasons"}
    reasons = found["reasons"].tolist()
    lines, first = [], 0
    for record in records:
        count = len(record.alts) or 1
        own = reasons[first : first + count]
        run.summary.reasons.update(reason for reason in own if reason)
        rows = range(first, first + count)
        lines.append(record.line(run.fields.info(scores, rows, own)))
        first += count
    return "".join(lines)


def _sum_up(
    regions: RegionTable, alleles: list[Allele], records: list[Record], found: Arrays
) -> None:
    """Add the alleles of a part, contig by contig, to a table of regions."""
    size = strength({name: found[name] for name in found if name != "reasons"})
    if size.ndim == 2:
        size = np.where(np.isnan(size).all(axis=1), np.nan, np.nan_to_num(size).max(axis=1))
    names = [
        f"{record.contig}:{record.position}:{record.ref}:{alt}"
        for record in records
        for alt in record.alts or (".",)
    ]
    real = np.array([reason != MISSING for reason in found["reasons"].tolist()])
    contigs = np.array([contig or "" for contig, *_ in alleles])
    positions = np.array([start for _, start, *_ in alleles], dtype=np.int64)
    for contig in dict.fromkeys(contigs.tolist()):
        rows = np.flatnonzero((contigs == contig) & real)
        regions.add(contig, positions[rows], [names[row] for row in rows], size[rows])


def _header(
    file: VariantFile, fields: Fields, summary: Summary, genome: Sequences, model: Path
) -> list[str]:
    """Return the lines of the input's header, contigs that it lacks, and ours."""
    named = set(file.contigs)
    contigs = []
    for name, known in summary.contigs.items():
        if name not in named:
            length = f",length={genome.contigs[known]}" if known else ""
            contigs.append(f"##contig=<ID={name}{length}>")
    about = str(model).replace('"', "'")
    made = f'##{fields.prefix}=<ID=score,Version={__version__},Model="{about}">'
    return [*file.header, *contigs, *fields.header(), made, file.columns]


def _check_fields(file: VariantFile, fields: Fields) -> None:
    own = [*fields.ids(), fields.skipped, fields.mismatch]
    if taken := [name for name in own if name in file.fields]:
        raise InputError(
            f"has the INFO field {taken[0]} already",
            path=file.path,
            expected="names that are free",
            remedy="give another `--prefix`, such as the name of the model",
        )


def _genome_identity(genome: Path) -> dict[str, Any]:
    path = Path(genome)
    return file_identity(path / FILES[0] if path.is_dir() else path)
