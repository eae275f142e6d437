from pathlib import Path

from pipeline_lib.cluster.launch import launch
from pipeline_lib.cluster.work import rule_work
from pipeline_lib.config import load_config
from pipeline_lib.config.family import parse_architecture
from pipeline_lib.job import job
from pipeline_lib.pretraining.recipe import Recipe

with job(snakemake):
    name, (*train, valid, tokenizer) = snakemake.wildcards.model, map(Path, snakemake.input)
    settings = load_config(snakemake.config).pretraining.models[name]
    shape = parse_architecture(snakemake.params.architecture)
    recipe = Recipe(name, settings, shape, tuple(train), valid, tokenizer, snakemake.params.seed)
    call = ("pipeline_lib.pretraining.run:pretrain", {"recipe": recipe})
    work = rule_work(snakemake, *call, resumable=True)
    launch(work, settings, Path(snakemake.output.config).parent, name)
