"""The report on artificial genomes: beside real ones, simple samplers and other methods."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline_lib.application.haplotypes.comparison import Reference, compare
from pipeline_lib.application.haplotypes.figures import Drawn, write_figures
from pipeline_lib.application.haplotypes.files import read_panel
from pipeline_lib.application.haplotypes.leaving_out import GROUPS, interval
from pipeline_lib.application.haplotypes.page import write_page
from pipeline_lib.application.haplotypes.panel import (
    Alleles,
    Panel,
    individuals,
    same_sites,
    split_individuals,
)
from pipeline_lib.application.haplotypes.populations import read_populations
from pipeline_lib.application.haplotypes.samplers import MarkovChain, best_chain
from pipeline_lib.application.identity import file_identity
from pipeline_lib.application.parts import Arrays, parts_of
from pipeline_lib.code import code_fingerprint
from pipeline_lib.errors import InputError
from pipeline_lib.files import atomic_directory, read_json, write_json
from pipeline_lib.progress import progress
from pipeline_lib.randomness import named_generator

INDEPENDENT, MARKOV, CEILING = "independent sites", "Markov chain", "real, halves"
SCORES = (
    "af_r", "af_mae", "ld_r", "decay_rmse", "distance", "distance_w1", "distance_across",
    "distance_across_w1", "pc1_w1", "pc2_w1", "triple_r", "aa_truth", "aa_syn", "aats",
    "privacy", "copies", "copies_of_any", "repeated",
)  # fmt: skip
BOUNDED = {"af_r": -1.0, "ld_r": -1.0, "aa_truth": 0.0, "aa_syn": 0.0, "aats": 0.0}
"""Scores that cannot be more than 1, and the least they can be."""
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Inputs:
    """Files of a report.

    Attributes
    ----------
    real, legend
        Real haplotypes, and their sites if they are `.hapt`.
    samples
        Artificial haplotypes by name, in the order of the table.
    populations
        Table of individuals and populations.
    model
        Folder of the model of the first sample: its split says what was trained on.
    """

    real: Path
    samples: Mapping[str, Path]
    legend: Path | None = None
    populations: Path | None = None
    model: Path | None = None

    def identity(self) -> dict[str, Any]:
        """Return what tells the content of the files apart."""
        files = {"real": self.real, "legend": self.legend, "populations": self.populations}
        if self.model is not None:
            files["model"] = self.model / "config.json"
        known = {key: file_identity(path) for key, path in files.items() if path is not None}
        samples = [[name, file_identity(path)] for name, path in self.samples.items()]
        return {**known, "samples": samples}


def write_report(
    inputs: Inputs, output: Path, *, seed: int, valid: float = 0.1, test: float = 0.1
) -> dict[str, Any]:
    """Measure artificial haplotypes and write a folder: report.html, scores and figures.

    Parameters
    ----------
    inputs
        Files to read.
    output
        Folder to write; what was measured before a kill is kept beside it.
    seed, valid, test
        Of the split of individuals, where no model says it.

    Returns
    -------
    dict
        The content of ``scores.json``.

    Raises
    ------
    InputError
        If haplotypes are over other sites, or the model was trained on other haplotypes.
    """
    real = read_panel(inputs.real, inputs.legend)
    samples = _samples(inputs, real)
    split = {"seed": seed, "valid": valid, "test": test}
    if inputs.model is not None:
        split = _split_of(inputs.model)
    populations = None
    if inputs.populations is not None:
        populations = read_populations(inputs.populations, real.names)
    identity = {
        **inputs.identity(), **split, "code": code_fingerprint("application/haplotypes"),
    }  # fmt: skip
    with parts_of(output, identity) as parts:
        work = _Work(real, samples, split)
        found: dict[str, Arrays] = {}
        for number, name in enumerate(progress(work.names, "measuring", unit=" sets")):
            found[name] = parts.get(number, lambda: work.measure(name))  # noqa: B023
        scores = {name: _scores(arrays) for name, arrays in found.items()}
        about = {
            "split": split, "real": work.about(), "scores": scores,
            "markov_order": int(found[MARKOV]["order"]),
        }  # fmt: skip
        with atomic_directory(output) as folder:
            write_json(folder / "scores.json", about)
            table = score_table(about)
            table.to_csv(folder / "scores.tsv", sep="\t", index=False, lineterminator="\n")
            drawn = Drawn(work.whole, found, list(samples), populations)
            write_page(folder / "report.html", about, table, write_figures(folder, drawn))
    return about


class _Work:
    """What is measured, and against what."""

    def __init__(self, real: Panel, samples: Mapping[str, Panel], split: dict[str, Any]) -> None:
        self.samples, self.seed = samples, int(split["seed"])
        self.rows = split_individuals(
            real.names, valid=split["valid"], test=split["test"], seed=self.seed
        )
        self.real, self.member = real, individuals(real.names)
        self.names = [*samples, INDEPENDENT, MARKOV, CEILING]
        order = named_generator(self.seed, "haplotypes", "groups").permutation(
            int(self.member.max()) + 1
        )
        self.groups = order[self.member] % GROUPS
        self.half = order[self.member] % (2 * GROUPS) < GROUPS
        self.whole = self._reference(np.arange(len(real)), private=True)
        sizes = [len(panel) for panel in samples.values()]
        self.count = max(sizes, default=len(real))

    def measure(self, name: str) -> Arrays:
        """Return the measures of a set of haplotypes by its name."""
        if name in self.samples:
            return compare(self.whole, self.samples[name].alleles)
        if name == CEILING:
            first, second = np.flatnonzero(self.half), np.flatnonzero(~self.half)
            reference = self._reference(first, private=False)
            found = compare(reference, self.real.alleles[second], self.groups[second])
            # Drawn beside all real haplotypes, like the others.
            points = self.whole.components.project(self.real.alleles[second])
            return {**found, "points": points.astype(np.float32)}
        train = self.real.alleles[self.rows["train"]]
        chain = MarkovChain.fit(train, 0)
        if name == MARKOV:
            chain = best_chain(train, self.real.alleles[self.rows["valid"]])
        generator = named_generator(self.seed, "haplotypes", "sampler", name)
        found = compare(self.whole, chain.draw(self.count, generator))
        return {**found, "order": np.asarray(chain.order)}

    def about(self) -> dict[str, Any]:
        """Return what is known of the real haplotypes."""
        return {
            "haplotypes": len(self.real),
            "sites": self.real.alleles.shape[1],
            "splits": {name: len(rows) for name, rows in self.rows.items()},
            "distance": float(
                self.whole.distances.counts
                @ np.arange(len(self.whole.distances.counts))
                / self.whole.distances.counts.sum()
            ),
        }

    def _reference(self, rows: Rows, *, private: bool) -> Reference:
        parts: dict[str, Alleles | None] = {"train": None, "test": None}
        if private:
            parts = {name: self.real.alleles[self.rows[name]] for name in parts}
        return Reference(
            self.real.alleles[rows], self.groups[rows], self.real.sites, seed=self.seed, **parts
        )


def score_table(about: dict[str, Any]) -> pd.DataFrame:
    """Return one row a set of haplotypes: every score, and the ends of its interval."""
    rows = []
    for name, scores in about["scores"].items():
        row: dict[str, Any] = {"set": name, "haplotypes": scores["haplotypes"]}
        for key in SCORES:
            score = scores[key]
            if isinstance(score, dict):
                row |= {key: score["value"], f"{key}_low": score["low"]}
                row[f"{key}_high"] = score["high"]
            else:
                row[key] = score
        rows.append(row)
    return pd.DataFrame(rows)


def _scores(found: Arrays) -> dict[str, Any]:
    scores: dict[str, Any] = {"haplotypes": int(found["haplotypes"])}
    for key in SCORES:
        value = found[key].item()
        error = found.get(f"{key}_error")
        if value != value:  # not a number: there was nothing to measure
            scores[key] = None
        elif error is None:
            scores[key] = value
        else:
            low, high = interval(value, float(error))
            if key in BOUNDED:
                low, high = max(low, BOUNDED[key]), min(high, 1.0)
            scores[key] = {"value": value, "low": low, "high": high}
    return scores


def _samples(inputs: Inputs, real: Panel) -> dict[str, Panel]:
    if not inputs.samples:
        raise InputError(
            "no artificial haplotypes are given", remedy="give some with `-s NAME=FILE`"
        )
    found = {}
    for name, path in inputs.samples.items():
        if name in (INDEPENDENT, MARKOV, CEILING):
            raise InputError(
                f"{name!r} is the name of a set that is always shown", remedy="choose another name"
            )
        found[name] = read_panel(path, inputs.legend)
        same_sites(real, found[name], path)
    return found


def _split_of(model: Path) -> dict[str, Any]:
    """Return the split that a model was trained with."""
    try:
        config = read_json(model / "config.json")
        settings = config["settings"]
        return {"seed": config["seed"], "valid": settings["valid"], "test": settings["test"]}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            "is no model of haplotypes",
            path=model,
            expected="config.json of `dnalm haplotypes train`",
            remedy="give the folder that `dnalm haplotypes train` has written",
        ) from error
