"""All evaluations without labels of one model, written as JSON."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.config.zero import ZeroConfig
from pipeline_lib.evaluation.markov import read_model
from pipeline_lib.evaluation.zero.codons import FEWEST as FEWEST_CODONS
from pipeline_lib.evaluation.zero.codons import choose_codons, measure_codons
from pipeline_lib.evaluation.zero.contrast import Resampling
from pipeline_lib.evaluation.zero.genes import codon_starts, sites_of
from pipeline_lib.evaluation.zero.held import HeldOutSequence, Place
from pipeline_lib.evaluation.zero.model import ModelReader
from pipeline_lib.evaluation.zero.needles import measure_needles
from pipeline_lib.evaluation.zero.reader import MarkovReader, Reader
from pipeline_lib.evaluation.zero.regions import measure_regions
from pipeline_lib.evaluation.zero.shuffles import measure_shuffles
from pipeline_lib.evaluation.zero.sites import FEWEST as FEWEST_SITES
from pipeline_lib.evaluation.zero.sites import MOTIFS, measure_sites
from pipeline_lib.files import read_json, write_json
from pipeline_lib.finetuning.coding import Coding, read_coding
from pipeline_lib.pretraining.folder import load_language_model
from pipeline_lib.provenance import provenance
from pipeline_lib.tokenizer.encode import SentenceEncoder

log = logging.getLogger(__name__)

Codons = list[tuple[Place, NDArray[np.int64]]]

SETTINGS = ("mask_rounds", "bootstrap_samples", "confidence")
"""Settings of the section ``evaluation`` that matter here, beside ``zero``."""

NO_ANNOTATION = (
    "no coding sequence is annotated on the held-out contigs of {names}; to get it, set "
    "`genome.assemblies.NAME.annotation` to the GFF3 file of the assembly, with CDS lines"
)


@dataclass(frozen=True)
class Inputs:
    """What is read.

    Attributes
    ----------
    model
        Model folder.
    test
        ``documents.parquet`` of the test split of its corpus.
    baselines, markov
        JSON of the Markov models of the corpus, and the best of them.
    genomes
        Folder of each assembly, by name.
    annotated
        Assemblies that have an annotation.
    """

    model: Path
    test: Path
    baselines: Path
    markov: Path
    genomes: dict[str, Path]
    annotated: tuple[str, ...]


def evaluate_zero(
    inputs: Inputs, output: Path, settings: EvaluationConfig, *, name: str, seed: int, threads: int
) -> None:
    """Measure what a pretrained model knows, without labels, beside the best Markov model.

    Parameters
    ----------
    output
        JSON file to write.
    settings
        What is measured of how much sequence (``zero``), the rounds in which a masked model hides
        tokens, and how intervals are made.
    name
        Name of the model.
    seed
        Seed of every choice and of the resampling.
    threads
        CPU threads.
    """
    torch.set_num_threads(threads)
    network, architecture = load_language_model(inputs.model)
    encoder = SentenceEncoder(inputs.model / "tokenizer.json")
    reader = ModelReader(network, encoder, architecture.input_length, settings.mask_rounds, seed)
    readers: dict[str, Reader] = {
        "model": reader,
        "markov": MarkovReader(*read_model(inputs.markov)),
    }
    held = HeldOutSequence(inputs.test, inputs.genomes)
    annotations = {one: inputs.genomes[one] / "annotation.gff3.gz" for one in inputs.annotated}
    zero = settings.zero
    window = min(zero.window, reader.reach)
    resampling = Resampling(settings.bootstrap_samples, settings.confidence, seed)
    sites, codons = read_genes(held, annotations)
    parts: dict[str, Callable[[], Any]] = {
        "regions": lambda: measure_regions(readers, held, annotations, zero, resampling),
        "sites": lambda: measure_sites(readers, held, sites, window, zero, resampling),
        "codons": lambda: _codons(readers, held, codons, window, zero, resampling),
        "shuffles": lambda: measure_shuffles(readers, held, window, zero, resampling),
        "needles": lambda: measure_needles(reader, zero, resampling),
    }
    measured: dict[str, Any] = {}
    for part in zero.parts:
        log.info("%s", part)
        measured[part] = parts[part]()
    held.close()
    result = {
        "model": name,
        "measure": "likelihood" if network.causal else "pseudo-likelihood",
        "markov_order": read_json(inputs.baselines)["best_order"],
        "window": window,
        "context_bases": reader.reach,
        "notes": notes(reader),
        "left_out": left_out(zero, measured, annotations, sites, inputs.genomes),
        **{part: found for part, found in measured.items() if found},
        "provenance": provenance(
            {key: getattr(settings, key) for key in SETTINGS} | {"zero": zero.model_dump()},
            inputs={
                "model": inputs.model / "model.safetensors",
                "tokenizer": inputs.model / "tokenizer.json",
                "test": inputs.test,
                "markov": inputs.markov,
            },
            seed=seed,
        ),
    }
    write_json(output, result)


def _codons(
    readers: Mapping[str, Reader],
    held: HeldOutSequence,
    codons: Codons,
    window: int,
    settings: ZeroConfig,
    resampling: Resampling,
) -> dict[str, Any]:
    chosen = choose_codons(held, codons, window, settings, resampling.seed)
    return measure_codons(readers, chosen, resampling) if len(chosen) >= FEWEST_CODONS else {}


def read_genes(
    held: HeldOutSequence, annotations: Mapping[str, Path]
) -> tuple[dict[str, list[Place]], Codons]:
    """Return the sites of each kind, and the codons of each gene, on contigs with held-out parts.

    Of a gene with several transcripts, the one with the most codons counts for codons.
    """
    sites: dict[str, list[Place]] = {kind: [] for kind in MOTIFS}
    longest: dict[tuple[str, str, str], tuple[Place, NDArray[np.int64]]] = {}
    for assembly, annotation in sorted(annotations.items()):
        for contig, coding in _coding(annotation).items():
            if not len(held.span(assembly, contig)):
                continue
            for kind, place in sites_of(coding, assembly, contig):
                sites[kind].append(place)
            for transcript in coding.transcripts:
                starts = codon_starts(transcript)
                key = (assembly, contig, transcript.gene)
                if key not in longest or len(starts) > len(longest[key][1]):
                    place = Place(assembly, contig, transcript.strand, 0, transcript.gene)
                    longest[key] = (place, starts)
    return sites, list(longest.values())


def _coding(annotation: Path) -> dict[str, Coding]:
    """Return coding sequences; none where the annotation has none, which is no error here."""
    types = read_json(annotation.with_name("annotation.json"))["types"]
    return read_coding(annotation) if types.get("CDS") else {}


def notes(reader: ModelReader) -> list[str]:
    """Return what the tokenizer and the kind of model mean for the figures."""
    found = []
    if reader.word != 1 and not (reader.encoder.vocabulary.overlap and reader.network.causal):
        length = f"{reader.word} bases" if reader.word else "unequal length"
        found.append(
            f"Tokens are words of {length}: the bits of a token are shared by its bases alike, so "
            "that positions around a site are blurred."
        )
    if reader.network.causal:
        found.append(
            "A model of the next token: a base is predicted from those before it, and a "
            "substitution is the difference of the log-likelihoods of two windows."
        )
    elif reader.word:
        found.append(
            "A masked model: a substitution is compared at its token, hidden, all others being "
            "seen."
        )
    else:
        found.append(
            "A masked model with words of unequal length: a substitution changes where tokens "
            "begin and end; compared are the tokens that it changes, each hidden alone."
        )
    if not reader.word:
        found.append("A copied word may be cut into other tokens than the first one.")
    return found


def left_out(
    settings: ZeroConfig,
    measured: Mapping[str, Any],
    annotations: Mapping[str, Path],
    sites: Mapping[str, list[Place]],
    genomes: Mapping[str, Path],
) -> dict[str, str]:
    """Return what could not be measured, with the reason and what would help."""
    found = {}
    coding = any(sites.values())
    missing = NO_ANNOTATION.format(names=", ".join(sorted(genomes)))
    more = "; hold out more sequence in `corpus.corpora.NAME.holdouts.test`"
    if "regions" in settings.parts and not annotations:
        found["types of regions"] = missing.replace("coding sequence", "gene")
    for part in ("sites", "codons"):
        if part in settings.parts and not coding:
            found[part] = missing
    if "sites" in settings.parts and coding:
        for kind in MOTIFS:
            if not sites[kind]:
                found[f"{kind} sites"] = "none is annotated on the held-out contigs"
            elif kind not in measured["sites"]:
                found[f"{kind} sites"] = (
                    f"fewer than {FEWEST_SITES} of them lie in held-out sequence with a window "
                    f"around them; {len(sites[kind]):,} are annotated on its contigs{more}"
                )
    if "codons" in settings.parts and coding and not measured["codons"]:
        found["codons"] = f"too few codons lie in held-out sequence{more}"
    if "shuffles" in settings.parts and not measured["shuffles"]:
        found["shuffles"] = f"no window without gaps is held out{more}"
    if "needles" in settings.parts and not measured["needles"]:
        found["needles"] = "the context of the model has no room for two words of 8 bases or more"
    return found
