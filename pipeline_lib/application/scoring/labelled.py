"""Variants with classes and scores: from a scored VCF, or from a table."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.application.fasta import Sequences
from pipeline_lib.application.scoring.vcf import VariantFile
from pipeline_lib.config.application_scoring import PrioritySettings
from pipeline_lib.errors import InputError
from pipeline_lib.genome.source import read_lines

NEEDED = ("contig", "position", "ref", "alt", "label")
_FLOAT = re.compile(r"##INFO=<ID=([^,]+),Number=([^,]+),Type=Float")


@dataclass(frozen=True)
class Labelled:
    """Variants of two classes.

    Attributes
    ----------
    table
        Columns contig (the genome's name), position (from 0), name, ref, alt, label (1: has an
        effect) and group (a locus); sorted by place.
    features
        Scores, NaN where there are none; (variants, features).
    names
        Of the features.
    """

    table: pd.DataFrame
    features: NDArray[np.float64]
    names: tuple[str, ...]


def read_labelled(path: Path, genome: Sequences, settings: PrioritySettings) -> Labelled:
    """Read variants with classes and scores.

    A VCF gives its class in INFO ``CLNSIG`` or ``LABEL``, or at the beginning of the ID; its scores
    are the INFO fields that ``dnalm score`` writes. A table (tabs, or commas for ``.csv``) has the
    columns contig, position (from 1), ref, alt and label; every other column of numbers is a
    feature.

    Raises
    ------
    InputError
        If there are no scores, or a class has variants in fewer than two loci.
    """
    suffixes = "".join(path.suffixes)
    if ".tsv" in suffixes or ".csv" in suffixes or ".txt" in suffixes:
        rows, features, names = _read_table(path, settings)
    else:
        rows, features, names = _read_vcf(path, settings)
    table = pd.DataFrame(rows, columns=["contig", "position", "name", "ref", "alt", "label"])
    table["contig"] = [genome.resolve(contig) for contig in table["contig"]]
    known = (table["contig"].notna() & (table["label"] >= 0)).to_numpy()
    order = np.lexsort((table["position"].to_numpy(), table["contig"].astype(str).to_numpy()))
    order = order[known[order]]
    table = table.iloc[order].reset_index(drop=True)
    table["group"] = loci(table, settings.group_distance)
    _check(path, table, names)
    return Labelled(table, np.asarray(features, dtype=np.float64)[order], names)


def loci(table: pd.DataFrame, distance: int) -> NDArray[np.int64]:
    """Number the loci of variants sorted by place: each is nearer than that to the next."""
    if not len(table):
        return np.empty(0, dtype=np.int64)
    contig, position = table["contig"].to_numpy(), table["position"].to_numpy()
    apart = (contig[1:] != contig[:-1]) | (np.diff(position) >= max(distance, 1))
    return np.concatenate([[0], np.cumsum(apart)]).astype(np.int64)


def label_of(text: str, settings: PrioritySettings) -> int:
    """Return 1 for a class with an effect, 0 for one without, -1 for any other."""
    given = text.strip().lower().replace(" ", "_")
    if given in ("0", "1"):
        return int(given)
    for label, prefixes in ((1, settings.positive), (0, settings.negative)):
        if given.startswith(tuple(prefix.lower() for prefix in prefixes)):
            return label
    return -1


Rows = list[tuple[str, int, str, str, str, int]]


def _read_vcf(
    path: Path, settings: PrioritySettings
) -> tuple[Rows, list[list[float]], tuple[str, ...]]:
    file = VariantFile(path)
    outputs = next((line.partition("=")[2].split(",") for line in file.header
                    if re.match(r"##\w+_OUTPUTS=", line)), [])  # fmt: skip
    numbers = {found[1]: found[2] for line in file.header if (found := _FLOAT.match(line))}
    prefixes = [name.removesuffix("_REF_MISMATCH") for name in file.fields
                if name.endswith("_REF_MISMATCH")]  # fmt: skip
    own = {name: number for name, number in numbers.items()
           if any(name.startswith(f"{prefix}_") for prefix in prefixes)}  # fmt: skip
    names: list[str] = []
    for name, number in own.items():
        names += [name] if number == "A" else [f"{name}_{output}" for output in outputs]
    rows: Rows = []
    features: list[list[float]] = []
    for record in file:
        info = dict(part.partition("=")[::2] for part in record.info.split(";"))
        said = info.get("CLNSIG") or info.get("LABEL") or record.name
        for allele, alt in enumerate(record.alts):
            rows.append((record.contig, record.position - 1, record.name, record.ref, alt,
                         label_of(said, settings)))  # fmt: skip
            values: list[float] = []
            for name, number in own.items():
                width = 1 if number == "A" else len(outputs)
                given = info.get(name, "").split(",")[allele * width : (allele + 1) * width]
                values += [_number(one) for one in [*given, *["."] * (width - len(given))]]
            features.append(values)
    return rows, features, tuple(names)


def _read_table(
    path: Path, settings: PrioritySettings
) -> tuple[Rows, list[list[float]], tuple[str, ...]]:
    lines = ((number, line) for number, line in read_lines(path, "variants") if line.strip())
    _, first = next(lines, (0, ""))
    mark = "\t" if "\t" in first else ","
    header = first.lstrip("#").split(mark)
    if missing := [name for name in NEEDED if name not in header]:
        raise InputError(
            f"has no column {missing[0]!r}",
            path=path,
            where="line 1",
            expected=f"{', '.join(NEEDED)}, and columns of numbers",
            remedy="name the columns in the first line",
        )
    extra = [name for name in header if name not in (*NEEDED, "name")]
    rows: Rows = []
    features: list[list[float]] = []
    for number, line in lines:
        values = dict(zip(header, line.split(mark), strict=False))
        if len(values) < len(header) or not values["position"].isdecimal():
            raise InputError(
                f"the line is {line[:60]!r}",
                path=path,
                where=f"line {number:,}",
                expected=f"{len(header)} columns, the position a whole number",
                remedy="correct the line",
            )
        label = label_of(values["label"], settings)
        position, name = int(values["position"]) - 1, values.get("name", ".")
        rows.append((values["contig"], position, name, values["ref"], values["alt"], label))
        features.append([_number(values[name]) for name in extra])
    return rows, features, tuple(extra)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _check(path: Path, table: pd.DataFrame, names: tuple[str, ...]) -> None:
    if not names:
        raise InputError(
            "has no scores",
            path=path,
            expected="INFO fields that `dnalm score` writes, or columns of numbers",
            remedy="score the file first with `dnalm score`",
        )
    for label, what in ((1, "with an effect"), (0, "without one")):
        found = table.loc[table["label"] == label, "group"].nunique()
        if found < 2:
            raise InputError(
                f"{found} loci hold a variant {what}",
                path=path,
                expected="at least 2 loci of either class: INFO `CLNSIG` or `LABEL`, or the ID, "
                "begins with a class of `positive` or `negative`",
                remedy="give more variants, or set the classes",
            )
