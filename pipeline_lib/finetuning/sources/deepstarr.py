"""Activity of 249-base fly enhancers with two promoters (DeepSTARR, de Almeida et al. 2022).

A FASTA file with headers ``contig_start_end_strand_class`` and a table of activities, one row for
each record and in the same order. Start and end count from 1, both included.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline_lib.config.tasks_public import DeepStarrTask
from pipeline_lib.errors import InputError
from pipeline_lib.finetuning.examples import Target
from pipeline_lib.finetuning.raw import Raw
from pipeline_lib.finetuning.sources.classes import as_column
from pipeline_lib.finetuning.sources.records import read_records
from pipeline_lib.finetuning.sources.rows import LINE, numbers_of, read_rows
from pipeline_lib.genome.reader import Genome

_HEADER = re.compile(r"(\S+?)_(\d+)_(\d+)_([+-])_(\S+)")


def read(settings: DeepStarrTask, genome: Genome | None = None, seed: int = 0) -> Raw:
    """Read sequences with their activities; nothing is drawn at random.

    ``split`` is the published one, ``kind`` the class that the header names. The two strands of a
    place are one ``group``.

    Raises
    ------
    InputError
        If a header tells no place, or the files of a split have different numbers of examples.
    """
    files = {
        "train": (settings.train, settings.train_activity),
        "valid": (settings.valid, settings.valid_activity),
        "test": (settings.test, settings.test_activity),
    }
    tables = []
    for split, (sequences, activity) in files.items():
        if sequences is not None and activity is not None:
            part = _split(Path(sequences), Path(activity), settings)
            tables.append(part.assign(split=split))
    table = pd.concat(tables, ignore_index=True)
    places = table["contig"] + ":" + table["start"].astype(str)
    table["group"] = pd.factorize(places)[0]
    return Raw(table, Target("numbers", settings.target))


def _split(path: Path, activity: Path, settings: DeepStarrTask) -> pd.DataFrame:
    found = []
    for record in read_records(path):
        place = _HEADER.fullmatch(record.header)
        bases = int(place[3]) - int(place[2]) + 1 if place else 0
        if place is None or bases != len(record.sequence):
            raise InputError(
                f"the header is {record.header!r}, the sequence has {len(record.sequence):,} bases",
                path=path,
                where=f"line {record.line}",
                expected="contig_start_end_strand_class, with start and end of the sequence",
                remedy="give the published file",
            )
        start = int(place[2]) - 1
        found.append((record.sequence, place[1], start, start + bases, place[4], place[5]))
    rows = read_rows(activity, settings.target, delimiter="\t")
    if len(rows) != len(found):
        raise InputError(
            f"there are {len(rows):,} rows, and {len(found):,} sequences in {path.name}",
            path=activity,
            where=f"line {rows[LINE].iloc[-1]}",
            expected="a row for each sequence, in the same order",
            remedy="fetch both files again",
        )
    columns = ["sequence", "contig", "start", "end", "strand", "kind"]
    levels = [numbers_of(rows, column, activity) for column in settings.target]
    table = pd.DataFrame(found, columns=columns)
    return table.assign(target=as_column(np.stack(levels, axis=1)))
