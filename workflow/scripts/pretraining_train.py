from pathlib import Path

from pipeline_lib.cluster.launch import launch
from pipeline_lib.cluster.work import rule_work
from pipeline_lib.config import load_config
from pipeline_lib.config.family import parse_architecture
from pipeline_lib.job import job

with job(snakemake):
    name, params, files = snakemake.wildcards.model, snakemake.params, snakemake.input
    settings = load_config(snakemake.config).pretraining.models[name]
    paths = {"train_shards": list(map(Path, files.train)), "valid_shards": Path(files.valid)}
    paths["tokenizer"], shape = Path(files.tokenizer), parse_architecture(params.architecture)
    rest = {"settings": settings, "architecture": shape, "name": name, "seed": params.seed}
    call = ("pipeline_lib.pretraining.run:pretrain", {**paths, **rest})
    work = rule_work(snakemake, *call, resumable=True)
    launch(work, settings, Path(snakemake.output.config).parent, name)
