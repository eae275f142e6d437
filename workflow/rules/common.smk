# The configuration object and the helpers of all rules.
import re
import sys
from pathlib import Path

from pipeline_lib.code import code_fingerprint
from pipeline_lib.config import load_architecture, load_config
from pipeline_lib.config.needs import (
    check_files,
    is_address,
    locate,
    needed_assemblies,
    needed_corpora,
    needed_tokenizers,
)
from pipeline_lib.errors import DnalmError

ROOT = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parents[1]
OWN_CONFIG = Path("config/config.yaml")


configfile: str(OWN_CONFIG if OWN_CONFIG.exists() else ROOT / OWN_CONFIG)


def checked(function, *arguments):
    """Call a function; an error that the user can mend ends the run with a sentence."""
    try:
        return function(*arguments)
    except DnalmError as error:
        sys.exit(f"The configuration cannot be used. {error}")


CONFIG_FILES = [*workflow.configfiles, *workflow.config_settings.configfiles]
CONFIG = checked(load_config, config, CONFIG_FILES)
checked(check_files, CONFIG, ROOT)

ASSEMBLIES = needed_assemblies(CONFIG)
CORPORA = needed_corpora(CONFIG)
TOKENIZERS = needed_tokenizers(CONFIG)
MODELS = list(CONFIG.run.models)
TASKS = list(CONFIG.run.tasks)
PRESET_FOLDERS = [Path("config/models"), ROOT / "config" / "models"]
ARCHITECTURES = {
    name: checked(load_architecture, model.preset, model.architecture, PRESET_FOLDERS)
    for name, model in CONFIG.pretraining.models.items()
    if name in MODELS
}


def settings(section, name=None):
    """Return the settings of a section, or of one of its entries, as plain values for params."""
    if name is None:
        return getattr(CONFIG, section).model_dump(mode="json")
    plural = {
        "genome": "assemblies",
        "corpus": "corpora",
        "tokenizer": "tokenizers",
        "pretraining": "models",
        "finetuning": "tasks",
    }[section]
    values = getattr(getattr(CONFIG, section), plural)[name].model_dump(mode="json")
    for holdout in values.get("holdouts", {}).values():
        if holdout["bed"]:
            holdout["bed"] = locate(holdout["bed"], key="holdouts.bed", root=ROOT)
    return values


def source(assembly, key):
    """Return the file behind a key of an assembly: where it lies, or where it is downloaded to."""
    value = getattr(CONFIG.genome.assemblies[assembly], key)
    if value is None:
        return []
    if is_address(value):
        return f"results/genome/{assembly}/source/{key}"
    return locate(value, key=f"genome.assemblies.{assembly}.{key}", root=ROOT)


def sequence_source(wildcards):
    """Return the FASTA file of an assembly."""
    key = "url" if CONFIG.genome.assemblies[wildcards.assembly].url else "path"
    return source(wildcards.assembly, key)


def genome_files(assemblies):
    """Return the genomes of some assemblies, in the order given."""
    return expand("results/genome/{assembly}/genome.fa.gz", assembly=assemblies)


def corpus_genomes(wildcards):
    """Return the genomes that a corpus is cut from."""
    return genome_files(CONFIG.corpus.corpora[wildcards.corpus].assemblies)


def tokenizer_corpus(wildcards):
    """Return the corpus that a tokenizer is trained on."""
    return CONFIG.tokenizer.tokenizers[wildcards.tokenizer].corpus


def model_shards(split):
    """Return a function that gives a model's shards of a split."""

    def shards(wildcards):
        model = CONFIG.pretraining.models[wildcards.model]
        return f"results/shards/{model.corpus}/{model.tokenizer}/{split}"

    return shards


def model_tokenizer(wildcards):
    """Return the tokenizer of a model."""
    model = CONFIG.pretraining.models[wildcards.model]
    return f"results/tokenizer/{model.tokenizer}/tokenizer.json"


def model_corpus(wildcards):
    """Return the name of the corpus of a model."""
    return CONFIG.pretraining.models[wildcards.model].corpus


def task_genome(wildcards):
    """Return the genome and the annotation that a task is made from."""
    assembly = CONFIG.finetuning.tasks[wildcards.task].assembly
    return multiext(f"results/genome/{assembly}/", "genome.fa.gz", "annotation.gff3.gz")


def task_runs(task):
    """Return the names of the tuning runs of a task."""
    seeds = CONFIG.finetuning.tasks[task].seeds
    return [f"{init}-{seed}" for init in ("pretrained", "scratch") for seed in seeds]


def holdout_beds(holder):
    """Return the BED files that a corpus or a task holds out."""
    beds = [holder.holdouts.valid.bed, holder.holdouts.test.bed]
    return [locate(bed, key="holdouts.bed", root=ROOT) for bed in beds if bed]


FIGURE = {"figure": "figure", "table": "table behind it", "page": "table, readable"}


def figure(name, caption, category, subcategory=None, **labels):
    """Return the three declared files of a figure: SVG, TSV and HTML."""
    return {
        kind: report(
            f"results/report/{name}.{suffix}",
            caption=f"../report/{caption}.rst",
            category=category,
            subcategory=subcategory,
            labels={**labels, "view": FIGURE[kind]},
        )
        for kind, suffix in (("figure", "svg"), ("table", "tsv"), ("page", "html"))
    }


wildcard_constraints:
    assembly="|".join(map(re.escape, CONFIG.genome.assemblies)),
    corpus="|".join(map(re.escape, CONFIG.corpus.corpora)),
    tokenizer="|".join(map(re.escape, CONFIG.tokenizer.tokenizers)),
    model="|".join(map(re.escape, CONFIG.pretraining.models)),
    task="|".join(map(re.escape, CONFIG.finetuning.tasks)) or "none",
    split="train|valid|test",
    init="pretrained|scratch",
    seed=r"\d+",
