from pathlib import Path

from pipeline_lib.cluster.launch import launch
from pipeline_lib.cluster.work import rule_work
from pipeline_lib.config import load_config
from pipeline_lib.finetuning.choice import with_choice
from pipeline_lib.job import job, optional

with job(snakemake):
    model, task, init, seed = snakemake.wildcards
    paths = {"model": Path(snakemake.input.model), "examples": Path(snakemake.input.examples)}
    settings = with_choice(snakemake.params.settings, optional(snakemake.input.choice), init)
    rest = {"settings": settings, "init": init, "seed": int(seed)}
    call = ("pipeline_lib.finetuning.tune:finetune", {**paths, **rest})
    how = load_config(snakemake.config).finetuning.tasks[task]
    work = rule_work(snakemake, *call, resumable=settings.method != "probe")
    launch(work, how, Path(snakemake.output.metrics).parent, f"{model}-{task}-{init}-{seed}")
