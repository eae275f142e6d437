"""Which entries of the configuration a run needs: the rest of it is left alone."""

from collections.abc import Mapping
from glob import glob
from pathlib import Path
from typing import Any

from pipeline_lib.config.application_generation import generation_files
from pipeline_lib.config.application_haplotypes import haplotype_files
from pipeline_lib.config.application_reading import reading_files
from pipeline_lib.config.application_scoring import scoring_files
from pipeline_lib.config.root import Config
from pipeline_lib.errors import ConfigError


def needed_corpora(config: Config) -> list[str]:
    """Return the corpora that the models of the run, and their tokenizers, are made from."""
    models = [config.pretraining.models[name] for name in config.run.models]
    trained_on = [name for model in models for name in (model.corpus, *model.mix)]
    tokenized = [config.tokenizer.tokenizers[name].corpus for name in needed_tokenizers(config)]
    return sorted({*trained_on, *tokenized})


def needed_tokenizers(config: Config) -> list[str]:
    """Return the tokenizers of the models of the run, and those asked for beside them."""
    of_models = {config.pretraining.models[name].tokenizer for name in config.run.models}
    return sorted(of_models | set(config.run.tokenizers))


def needed_assemblies(config: Config) -> list[str]:
    """Return the assemblies of the corpora and tasks of the run."""
    corpora = [config.corpus.corpora[name].assemblies for name in needed_corpora(config)]
    tasks = [config.finetuning.tasks[name].genomes for name in needed_tasks(config)]
    variants = [(entry.assembly,) for entry in config.evaluation.variants.values()]
    own = config.application
    kinds: tuple[Mapping[str, Any], ...] = (
        own.scores, own.embeddings, own.annotations, own.explanations, own.generations,
    )  # fmt: skip
    read = [(e.assembly,) for entries in kinds for e in entries.values() if e.assembly]
    return sorted({name for names in (*corpora, *tasks, *variants, *read) for name in names})


def needed_tasks(config: Config) -> list[str]:
    """Return the tasks that models are tuned to, and those whose examples are embedded."""
    return list(dict.fromkeys((*config.run.tasks, *config.evaluation.embeddings)))


def is_address(source: str) -> bool:
    """Tell an address to download from apart from a path."""
    return source.startswith(("https://", "http://", "ftp://"))


def locate(source: str, *, key: str, root: Path) -> str:
    """Return the path of a file named in the configuration; it may be a pattern, with `*`.

    Relative paths are looked up in the working folder first, then in ``root``, the folder of the
    workflow, so that the embedded genome is found from wherever the workflow is run.

    Raises
    ------
    ConfigError
        If there is no such file.
    """
    path = Path(source).expanduser()
    for place in (path, root / path):
        if place.exists() or ("*" in source and glob(str(place))):  # noqa: PTH207
            return str(place)
    places = [str(path.absolute())]
    if not path.is_absolute() and root.absolute() != Path.cwd():
        places.append(str(root / path))
    raise ConfigError(
        f"`{key}` is {source!r}, but there is no such file; looked for {' and '.join(places)}",
        remedy=f"correct `{key}`; relative paths start at the folder you run snakemake in",
    )


def check_files(config: Config, root: Path) -> None:
    """Check that all local files that the run needs exist.

    Raises
    ------
    ConfigError
        Naming the key and the places looked in.
    """
    for name in needed_assemblies(config):
        assembly = config.genome.assemblies[name]
        for key in ("path", "annotation", "assembly_report", "aliases"):
            source: str | None = getattr(assembly, key)
            if source is None or is_address(source) or assembly.comes_from_archive(key):
                continue
            locate(source, key=f"genome.assemblies.{name}.{key}", root=root)
    holders = {f"corpus.corpora.{n}": config.corpus.corpora[n] for n in needed_corpora(config)}
    for place, corpus in holders.items():
        if corpus.regions is not None and corpus.regions.bed is not None:
            locate(corpus.regions.bed, key=f"{place}.regions.bed", root=root)
        for file in corpus.variants.vcf if corpus.variants is not None else ():
            if not is_address(file):
                locate(file, key=f"{place}.variants.vcf", root=root)
    tasks = {f"finetuning.tasks.{n}": config.finetuning.tasks[n] for n in needed_tasks(config)}
    for place, task in tasks.items():
        for key, path in task.paths():
            locate(path, key=f"{place}.{key}", root=root)
    for name, entry in config.evaluation.variants.items():
        locate(entry.file, key=f"evaluation.variants.{name}.file", root=root)
    for name, explanation in config.application.explanations.items():
        for key in ("file", "motifs"):
            if path := getattr(explanation, key):
                locate(path, key=f"application.explanations.{name}.{key}", root=root)
    own = config.application
    for key, file in (*generation_files(own.generations), *haplotype_files(own.haplotypes)):
        locate(file, key=key, root=root)
    for key, file in scoring_files(own.scores):
        locate(file, key=key, root=root)
    for key, file in reading_files(own.embeddings, own.annotations):
        locate(file, key=key, root=root)
    for place, holder in (holders | tasks).items():
        for split in ("valid", "test"):
            bed = getattr(holder.holdouts, split).bed
            if bed is not None:
                locate(bed, key=f"{place}.holdouts.{split}.bed", root=root)
