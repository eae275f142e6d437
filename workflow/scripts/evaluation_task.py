from pathlib import Path

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.task import evaluate_task
from pipeline_lib.job import job

with job(snakemake):
    inputs, outputs = map(Path, snakemake.input[:2]), map(Path, snakemake.output)
    baselines = {Path(file).stem: Path(file) for file in snakemake.input.baselines}
    runs = {Path(file).parent.name: Path(file).parent for file in snakemake.input.runs}
    documents = list(map(Path, snakemake.input.train_documents))
    settings, seed = EvaluationConfig(**snakemake.params.settings), snakemake.params.seed
    names = {"name": snakemake.wildcards.model, "task": snakemake.wildcards.task}
    evaluate_task(*inputs, baselines, runs, documents, *outputs, settings, **names, seed=seed)
