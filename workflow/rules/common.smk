# The configuration object and the helpers of all rules.
import re
import shlex
import sys
from pathlib import Path

from pipeline_lib.code import code_fingerprint
from pipeline_lib.config import load_architecture, load_config
from pipeline_lib.config.application_generation import writing_models
from pipeline_lib.config.genome import SOURCES, Assembly
from pipeline_lib.config.launching import WITHOUT_EFFECT
from pipeline_lib.config.methods import check_methods
from pipeline_lib.config.needs import (
    check_files,
    is_address,
    locate,
    needed_assemblies,
    needed_corpora,
    needed_tokenizers,
)
from pipeline_lib.config.task_files import located_task, source_files
from pipeline_lib.corpus.lift import lift_command
from pipeline_lib.corpus.mmseqs import search_command
from pipeline_lib.errors import DnalmError
from pipeline_lib.finetuning.memory import tuning_mb
from pipeline_lib.pretraining.cost import cost_lines, vocabulary_size

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
CONFIG = checked(load_config, config, CONFIG_FILES, ROOT)
checked(check_files, CONFIG, ROOT)
if CONFIG.genome.sheet:  # where it was found, for the scripts
    config["genome"] |= {"sheet": CONFIG.genome.sheet}

ASSEMBLIES = needed_assemblies(CONFIG)
CORPORA = needed_corpora(CONFIG)
TOKENIZERS = needed_tokenizers(CONFIG)
MODELS = list(CONFIG.run.models)
TASKS = list(CONFIG.run.tasks)
ZERO_MODELS = MODELS if CONFIG.evaluation.zero.parts else []
PRESET_FOLDERS = [Path("config/models"), ROOT / "config" / "models"]
ARCHITECTURES = {
    name: checked(load_architecture, model.preset, model.architecture, PRESET_FOLDERS)
    for name, model in CONFIG.pretraining.models.items()
    if name in MODELS
}
WRITERS = checked(writing_models, CONFIG.application.generations, ARCHITECTURES)
checked(
    check_methods,
    {name: CONFIG.finetuning.tasks[name] for name in TASKS},
    ARCHITECTURES,
)


def settings(section, name=None):
    """Return the settings of a section, or of one of its entries, as plain values for params.

    Where and how training is carried out is left out: a change of that reruns nothing.
    """
    if name is None:
        # What else is evaluated is no reason to evaluate the rest again.
        return getattr(CONFIG, section).model_dump(
            mode="json", exclude={"embeddings", "variants", "zero"}
        )
    plural = {
        "genome": "assemblies",
        "corpus": "corpora",
        "tokenizer": "tokenizers",
        "pretraining": "models",
        "finetuning": "tasks",
    }[section]
    entry = getattr(getattr(CONFIG, section), plural)[name]
    values = with_located_beds(entry.model_dump(mode="json"))
    return {key: value for key, value in values.items() if key not in WITHOUT_EFFECT}


def with_located_beds(values):
    """Return plain settings in which BED files are given by where they were found."""
    holdouts = values.get("holdouts", {})
    for place in (holdouts.get("valid"), holdouts.get("test"), values.get("regions")):
        if place and place["bed"]:
            place["bed"] = locate(place["bed"], key="bed", root=ROOT)
    return values


def preparation_keys():
    """Return the settings of an assembly that decide how its sequence is prepared."""
    others = ("annotation", "download", "mirrors", "ncbi_api_key")
    return [key for key in Assembly.model_fields if not key.startswith(others)]


def genome_settings(assembly, keys):
    """Return some of an assembly's settings: a change of the others is no reason to run again."""
    values = settings("genome", assembly)
    return {key: values[key] for key in keys}


def source_keys(key):
    """Return the settings that decide about one file of an assembly."""
    checks = {
        "sequence": ["sha256", "md5"],
        "annotation": ["annotation", "annotation_sha256"],
    }
    return [*SOURCES, *checks.get(key, [key])]


def source(assembly, key):
    """Return a file of an assembly: where it lies, or where it is downloaded to."""
    entry = CONFIG.genome.assemblies[assembly]
    value = (entry.path or entry.url) if key == "sequence" else getattr(entry, key)
    if entry.comes_from_archive(key) or is_address(value or ""):
        return f"results/genome/{assembly}/source/{key}"
    if value is None:
        return []
    key = "path" if key == "sequence" else key
    return locate(value, key=f"genome.assemblies.{assembly}.{key}", root=ROOT)


def looked_up(wildcards):
    """Return what is looked up in an archive before one of its files can be fetched."""
    entry = CONFIG.genome.assemblies[wildcards.assembly]
    if not entry.comes_from_archive(wildcards.key):
        return []
    packed = entry.accession and entry.downloader == "datasets"
    name = "datasets.zip" if packed else "addresses.json"
    return f"results/genome/{wildcards.assembly}/source/{name}"


def genome_files(assemblies):
    """Return the genomes of some assemblies, in the order given."""
    return expand("results/genome/{assembly}/genome.fa.gz", assembly=assemblies)


def model_genomes(wildcards):
    """Return the genomes that a model is tested on."""
    return genome_files(CONFIG.corpus.corpora[model_corpus(wildcards)].assemblies)


def model_annotations(wildcards):
    """Return the annotations of these genomes, as far as there are some and they are needed."""
    if not {"regions", "sites", "codons"} & set(CONFIG.evaluation.zero.parts):
        return []
    return [
        f"results/genome/{name}/annotation.gff3.gz"
        for name in CONFIG.corpus.corpora[model_corpus(wildcards)].assemblies
        if CONFIG.genome.assemblies[name].annotation
    ]


def corpus_genomes(wildcards):
    """Return the genomes that a corpus is cut from."""
    return genome_files(CONFIG.corpus.corpora[wildcards.corpus].assemblies)


def outside_tool(command):
    """Return a shell command that says what to do if its program is not installed."""
    missing = (
        f"{command[0]} is not installed. To fix: run snakemake with `--sdm conda`, which "
        f"installs it, or install {command[0]} yourself."
    )
    check = f"command -v {command[0]} > /dev/null || {{ echo {shlex.quote(missing)}; exit 1; }}"
    return f"{check}; {shlex.join(command)}"


def lift_of(corpus):
    """Return how the holdouts of a corpus are carried over to other assemblies, or None."""
    return CONFIG.corpus.corpora[corpus].holdouts.lift


def lift_alignments(corpus):
    """Return the alignments of held-out sequence to the assemblies but the reference."""
    lift = lift_of(corpus)
    others = [
        name
        for name in CONFIG.corpus.corpora[corpus].assemblies
        if lift and name != lift.reference
    ]
    return expand(
        "results/corpus/{corpus}/lift/{assembly}.{split}.paf",
        corpus=corpus,
        assembly=others,
        split=["valid", "test"],
    )


def variant_files(corpus):
    """Return the VCF files of a corpus."""
    key = f"corpus.corpora.{corpus}.variants.vcf"
    files = CONFIG.corpus.corpora[corpus].variants.vcf
    return [
        (
            f"results/corpus/{corpus}/source/{Path(file).name}"
            if is_address(file)
            else locate(file, key=key, root=ROOT)
        )
        for file in files
    ]


def haplotype_folder(corpus):
    """Return the haplotypes of a corpus, if it is made of such."""
    if CONFIG.corpus.corpora[corpus].variants:
        return f"results/corpus/{corpus}/haplotypes"
    return []


def corpus_haplotypes(wildcards):
    """Return the haplotypes that the documents of a corpus are read from."""
    return haplotype_folder(wildcards.corpus)


def region_annotation(wildcards):
    """Return the annotation whose transcription starts a corpus is taken from."""
    regions = CONFIG.corpus.corpora[wildcards.corpus].regions
    if regions and regions.around_tss:
        return f"results/genome/{wildcards.assembly}/annotation.gff3.gz"
    return []


def region_bed(wildcards):
    """Return the BED file that a corpus is taken from."""
    regions = CONFIG.corpus.corpora[wildcards.corpus].regions
    if regions and regions.bed:
        return locate(regions.bed, key="regions.bed", root=ROOT)
    return []


def homology_hits(wildcards):
    """Return what mmseqs2 found in an assembly, where it is to look."""
    if CONFIG.corpus.corpora[wildcards.corpus].homology.method == "mmseqs2":
        return f"results/corpus/{wildcards.corpus}/copies/{wildcards.assembly}.tsv"
    return []


def tokenizer_corpus(wildcards):
    """Return the corpus that a tokenizer is trained on."""
    return CONFIG.tokenizer.tokenizers[wildcards.tokenizer].corpus


def model_shards(split):
    """Return a function that gives a model's shards of a split.

    Of `train` a list, in the order of `sources`; the other splits are of `corpus` alone.
    """

    def shards(wildcards):
        model = CONFIG.pretraining.models[wildcards.model]
        return expand(
            "results/shards/{corpus}/{tokenizer}/train",
            corpus=model.sources,
            tokenizer=model.tokenizer,
        )

    return shards if split == "train" else corpus_shards(split)


def corpus_shards(split):
    """Return a function that gives a split of the corpus that a model is validated on."""

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
    """Return the genomes that a task is made from, with the annotation if it needs one."""
    task = CONFIG.finetuning.tasks[wildcards.task]
    files = ["genome.fa.gz", *["annotation.gff3.gz"] * task.needs_annotation]
    return [f"results/genome/{name}/{file}" for name in task.genomes for file in files]


def task_annotation(wildcards):
    """Return the annotation of the assembly that the examples of a task lie in, if it has one."""
    name = CONFIG.finetuning.tasks[wildcards.task].assembly
    if name is None or CONFIG.genome.assemblies[name].annotation is None:
        return []
    return f"results/genome/{name}/annotation.gff3.gz"


def variants_settings(wildcards):
    """Return the settings of a file of variants."""
    return CONFIG.evaluation.variants[wildcards.variants]


def variants_file(wildcards):
    """Return a file of variants, where it was found."""
    key = f"evaluation.variants.{wildcards.variants}.file"
    return locate(variants_settings(wildcards).file, key=key, root=ROOT)


def task_figures(wildcards):
    """Return the figures of a task, in the order in which its page shows them."""
    places = ["_places"] if CONFIG.finetuning.tasks[wildcards.task].genomes else []
    embedded = wildcards.task in CONFIG.evaluation.embeddings
    whats = ["predictions", "calibration", "training", *["embeddings"] * embedded]
    names = [
        "_scores",
        *places,
        *(f"_{what}_{model}" for what in whats for model in MODELS),
    ]
    return [f"results/report/{wildcards.task}{name}.svg" for name in names]


def task_examples(task):
    """Return the settings that decide about the examples of a task, its files located."""
    entry = located_task(CONFIG.finetuning.tasks[task], task, ROOT)
    return with_located_beds(entry.example_settings())


def task_files(wildcards):
    """Return the user's and papers' files that a task is made from."""
    task = CONFIG.finetuning.tasks[wildcards.task]
    return source_files(located_task(task, wildcards.task, ROOT))


def task_runs(task):
    """Return the names of the tuning runs of a task."""
    seeds = CONFIG.finetuning.tasks[task].seeds
    return [f"{init}-{seed}" for init in ("pretrained", "scratch") for seed in seeds]


def task_tuning(task):
    """Return the settings that a task is tuned with, but for those that its grid decides on."""
    values = settings("finetuning", task)
    return {key: value for key, value in values.items() if key != "grid"}


def task_points(wildcards):
    """Return what was reached with each combination of a task's grid, from either start."""
    task = CONFIG.finetuning.tasks[wildcards.task]
    folder = f"results/finetuning/{wildcards.model}/{wildcards.task}/grid"
    return [
        f"{folder}/{init}-{point}-{task.seeds[0]}/point.json"
        for init in ("pretrained", "scratch")
        for point in (task.grid.points() if task.grid else ())
    ]


def task_choice(wildcards):
    """Return what was chosen from the grid of a task, if it has one."""
    if CONFIG.finetuning.tasks[wildcards.task].grid is None:
        return []
    return f"results/finetuning/{wildcards.model}/{wildcards.task}/grid/chosen.json"


def tuning_memory(wildcards, threads):
    """Return the memory in MB that a tuning run takes; little where it is waited for."""
    if not threads:
        return 200
    shape, task = (
        ARCHITECTURES[wildcards.model],
        CONFIG.finetuning.tasks[wildcards.task],
    )
    tokenizer = CONFIG.pretraining.models[wildcards.model].tokenizer
    words = vocabulary_size(CONFIG.tokenizer.tokenizers[tokenizer])
    return tuning_mb(shape, words, task)


def holdout_beds(holder):
    """Return the BED files that a corpus or a task holds out."""
    beds = [holder.holdouts.valid.bed, holder.holdouts.test.bed]
    return [locate(bed, key="holdouts.bed", root=ROOT) for bed in beds if bed]


FIGURE = {
    "figure": "figure",
    "table": "table behind it",
    "values": "table behind it",
    "page": "table, readable",
}


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


def generation_of(wildcards):
    """Return the entry of sequences to write."""
    return CONFIG.application.generations[wildcards.generation]


def generation_prompts(wildcards):
    """Return the FASTA of prompts, if there is one."""
    key = f"application.generations.{wildcards.generation}.prompts"
    file = generation_of(wildcards).prompts
    return locate(file, key=key, root=ROOT) if file else []


def generation_genome(wildcards):
    """Return the genome that sequences are compared with, if there is one."""
    assembly = generation_of(wildcards).assembly
    return f"results/genome/{assembly}/genome.fa.gz" if assembly else []


def haplotypes_of(wildcards):
    """Return the entry of a panel of haplotypes."""
    return CONFIG.application.haplotypes[wildcards.haplotypes]


def haplotype_file(key):
    """Return a function that gives a file of an entry, or nothing."""

    def found(wildcards):
        file = getattr(haplotypes_of(wildcards), key)
        where = f"application.haplotypes.{wildcards.haplotypes}.{key}"
        return locate(file, key=where, root=ROOT) if file else []

    return found


def compared_haplotypes(wildcards):
    """Return the artificial genomes of other methods."""
    name = wildcards.haplotypes
    return [
        locate(file, key=f"application.haplotypes.{name}.compare.{key}", root=ROOT)
        for key, file in haplotypes_of(wildcards).compare.items()
    ]


wildcard_constraints:
    assembly="|".join(map(re.escape, CONFIG.genome.assemblies)),
    corpus="|".join(map(re.escape, CONFIG.corpus.corpora)),
    tokenizer="|".join(map(re.escape, CONFIG.tokenizer.tokenizers)),
    model="|".join(map(re.escape, CONFIG.pretraining.models)),
    task="|".join(map(re.escape, CONFIG.finetuning.tasks)) or "none",
    variants="|".join(map(re.escape, CONFIG.evaluation.variants)) or "none",
    scores="|".join(map(re.escape, CONFIG.application.scores)) or "none",
    priorities="|".join(map(re.escape, CONFIG.application.priorities)) or "none",
    generation="|".join(map(re.escape, CONFIG.application.generations)) or "none",
    haplotypes="|".join(map(re.escape, CONFIG.application.haplotypes)) or "none",
    format=r"hapt|hapt\.zip|vcf|vcf\.gz",
    explanation="|".join(map(re.escape, CONFIG.application.explanations)) or "none",
    embeddings="|".join(map(re.escape, CONFIG.application.embeddings)) or "none",
    annotation="|".join(map(re.escape, CONFIG.application.annotations)) or "none",
    split="train|valid|test",
    init="pretrained|scratch",
    seed=r"\d+",
    point=r"[a-z_]+=[A-Za-z0-9_=.,+-]+",
    piece=r"\d+",
