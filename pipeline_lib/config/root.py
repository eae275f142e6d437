"""The whole configuration, and the references between its sections."""

import difflib
from collections.abc import Collection, Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from pipeline_lib.config.application import ApplicationConfig
from pipeline_lib.config.application_explanation import check_explanations
from pipeline_lib.config.application_generation import check_generations
from pipeline_lib.config.application_reading import check_readings
from pipeline_lib.config.application_scoring import check_scoring
from pipeline_lib.config.base import Name, Section
from pipeline_lib.config.corpus import Corpus, CorpusConfig, with_all_assemblies
from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.config.genome import GenomeConfig
from pipeline_lib.config.pretraining import PretrainingConfig
from pipeline_lib.config.report import ReportConfig
from pipeline_lib.config.shards import ShardsConfig
from pipeline_lib.config.tasks import FinetuningConfig
from pipeline_lib.config.tokenizer import TokenizerConfig


class Run(Section):
    """What to build: only what these models and tasks need is made."""

    models: tuple[Name, ...] = Field(
        min_length=1, description="Models to train: names of entries of `pretraining.models`."
    )
    tasks: tuple[Name, ...] = Field(
        (),
        description="Tasks to tune them to: names of entries of `finetuning.tasks`, or of files "
        "`config/tasks/NAME.yaml`.",
    )
    tokenizers: tuple[Name, ...] = Field(
        (), description="Tokenizers to make and report beside those of the models."
    )


class Config(Section):
    """Everything that can be configured: one section for each stage, in the order of the stages."""

    run: Run = Field(description="What to build.")
    seed: int = Field(42, ge=0, lt=2**31, description="Seed of every random choice.")
    genome: GenomeConfig = Field(GenomeConfig(), description="Assemblies.")
    corpus: CorpusConfig = Field(CorpusConfig(), description="Corpora.")
    tokenizer: TokenizerConfig = Field(TokenizerConfig(), description="Tokenizers.")
    shards: ShardsConfig = Field(ShardsConfig(), description="Storage of tokens.")
    pretraining: PretrainingConfig = Field(PretrainingConfig(), description="Models.")
    finetuning: FinetuningConfig = Field(FinetuningConfig(), description="Tasks.")
    evaluation: EvaluationConfig = Field(
        EvaluationConfig(), description="Scores, baselines, intervals."
    )
    application: ApplicationConfig = Field(
        ApplicationConfig(), description="What trained models are put to."
    )
    report: ReportConfig = Field(ReportConfig(), description="The report page.")

    @model_validator(mode="before")
    @classmethod
    def _all_assemblies(cls, values: Any) -> Any:
        """Let `assemblies: all` of a corpus name every entry of `genome.assemblies`."""
        try:
            return with_all_assemblies(values, tuple(values["genome"]["assemblies"]))
        except (KeyError, TypeError):  # something else is wrong: said elsewhere
            return values

    @model_validator(mode="after")
    def _references(self) -> Self:
        self._check_corpora()
        self._check_models()
        self._check_tasks()
        self._check_application()
        return self

    def _check_corpora(self) -> None:
        assemblies, corpora = self.genome.assemblies, self.corpus.corpora
        for name, corpus in corpora.items():
            for assembly in corpus.assemblies:
                _known(f"corpus.corpora.{name}.assemblies", assembly, assemblies)
                around = corpus.regions and corpus.regions.around_tss
                if around and assemblies[assembly].annotation is None:
                    raise ReferenceError_(
                        f"corpus.corpora.{name}.assemblies",
                        assembly,
                        "assemblies with an annotation, since `regions.around_tss` is given: set "
                        f"`genome.assemblies.{assembly}.annotation`",
                    )
        for name, tokenizer in self.tokenizer.tokenizers.items():
            _known(f"tokenizer.tokenizers.{name}.corpus", tokenizer.corpus, corpora)

    def _check_models(self) -> None:
        corpora, tokenizers = self.corpus.corpora, self.tokenizer.tokenizers
        for name, model in self.pretraining.models.items():
            _known(f"pretraining.models.{name}.corpus", model.corpus, corpora)
            for other in model.mix:
                _known(f"pretraining.models.{name}.mix", other, corpora)
                _holds_out_too(f"pretraining.models.{name}.mix", model.corpus, other, corpora)
            _known(f"pretraining.models.{name}.tokenizer", model.tokenizer, tokenizers)
            if model.number_tasks and tokenizers[model.tokenizer].vocabulary != "dnagpt":
                raise ReferenceError_(
                    f"pretraining.models.{name}.tokenizer",
                    model.tokenizer,
                    "a tokenizer with `vocabulary: dnagpt`, since `number_tasks` are given: only "
                    "it has the words that ask for a number or a class",
                )
        for name in self.run.models:
            _known("run.models", name, self.pretraining.models)
        for name in self.run.tokenizers:
            _known("run.tokenizers", name, tokenizers)

    def _check_tasks(self) -> None:
        assemblies, tasks = self.genome.assemblies, self.finetuning.tasks
        for name, task in tasks.items():
            for assembly in task.genomes:
                key = "assemblies" if task.assembly is None else "assembly"
                _known(f"finetuning.tasks.{name}.{key}", assembly, assemblies)
            if task.assembly is None:
                continue
            if task.needs_annotation and assemblies[task.assembly].annotation is None:
                raise ReferenceError_(
                    f"finetuning.tasks.{name}.assembly",
                    task.assembly,
                    f"an assembly with an annotation: give `genome.assemblies.{task.assembly}"
                    ".annotation` a GFF3 file",
                )
        for name in self.run.tasks:
            _known("run.tasks", name, tasks)
        for name in self.evaluation.embeddings:
            _known("evaluation.embeddings", name, tasks)
        for name, variants in self.evaluation.variants.items():
            _known(f"evaluation.variants.{name}.assembly", variants.assembly, assemblies)
            _known(f"evaluation.variants.{name}.task", variants.task, self.run.tasks)

    def _check_application(self) -> None:
        own, models = self.application, self.run.models
        places: Any = {
            "assemblies": self.genome.assemblies, "tasks": self.run.tasks, "known": _known,
        }  # fmt: skip
        check_readings(own.embeddings, own.annotations, **places)
        check_scoring(own.scores, own.priorities, **places)
        check_explanations(own.explanations, **places)
        check_generations(
            own.generations, assemblies=self.genome.assemblies, models=models, known=_known
        )


class ReferenceError_(ValueError):  # noqa: N801, N818  (ReferenceError is a Python built-in)
    """A value names something that is not there; carries the key path for the message."""

    def __init__(self, key: str, value: str, allowed: str) -> None:
        self.key, self.value, self.allowed = key, value, allowed
        super().__init__(f"{key}: {value!r}; expected {allowed}")


def _known(key: str, name: str, entries: Collection[str]) -> None:
    if name in entries:
        return
    allowed = f"one of: {', '.join(sorted(entries))}" if entries else "an entry; there are none"
    if near := difflib.get_close_matches(name, entries, n=1):
        allowed += f" (did you mean {near[0]!r}?)"
    raise ReferenceError_(key, name, allowed)


def _holds_out_too(key: str, corpus: str, other: str, corpora: Mapping[str, Corpus]) -> None:
    """Refuse to train on what a model is validated on: held out of one corpus, not of another."""
    for assembly in sorted(set(corpora[corpus].assemblies) & set(corpora[other].assemblies)):
        if missing := _held_out(corpora[corpus], assembly) - _held_out(corpora[other], assembly):
            raise ReferenceError_(
                key,
                other,
                f"corpora that hold out what {corpus!r} does, on which the model is validated: "
                f"`corpus.corpora.{other}.holdouts` lacks {', '.join(sorted(missing))} of "
                f"{assembly!r}",
            )


def _held_out(corpus: Corpus, assembly: str) -> set[str]:
    """Return what a corpus keeps away from training in one of its assemblies, in words."""
    found: set[str] = set()
    for split in (corpus.holdouts.valid, corpus.holdouts.test):
        named = [contig.rpartition(":") for contig in split.contigs]
        found |= {contig for owner, _, contig in named if owner in ("", assembly)}
        if split.bed is not None:
            found.add(split.bed + (f" ({split.name})" if split.name else ""))
    lift = corpus.holdouts.lift
    if lift is not None and lift.reference != assembly:
        found.add(f"what is lifted from {lift.reference}")
    return found
