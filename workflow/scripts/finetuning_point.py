from pathlib import Path

from pipeline_lib.cluster.launch import launch
from pipeline_lib.cluster.work import rule_work
from pipeline_lib.config import load_config
from pipeline_lib.config.tasks import parse_task
from pipeline_lib.job import job

with job(snakemake):
    model, task, init, point, seed = snakemake.wildcards
    paths = {"model": Path(snakemake.input.model), "examples": Path(snakemake.input.examples)}
    settings = parse_task({**snakemake.params.settings, **snakemake.params.point})
    rest = {"values": snakemake.params.point, "init": init, "seed": int(seed)}
    how = load_config(snakemake.config).finetuning.tasks[task]
    call = ("pipeline_lib.finetuning.grid:try_point", {**paths, "settings": settings, **rest})
    work = rule_work(snakemake, *call, resumable=False)
    launch(work, how, Path(snakemake.output[0]).parent, f"{model}-{task}-{init}-{point}-{seed}")
