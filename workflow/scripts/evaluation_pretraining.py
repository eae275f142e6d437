from pathlib import Path

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.pretraining import evaluate_pretraining
from pipeline_lib.job import job

with job(snakemake):
    evaluate_pretraining(
        *map(Path, snakemake.input),
        Path(snakemake.output[0]),
        EvaluationConfig(**snakemake.params.settings),
        name=snakemake.wildcards.model,
        seed=snakemake.params.seed,
        threads=snakemake.threads,
    )
