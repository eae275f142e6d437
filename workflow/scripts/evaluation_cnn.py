from pathlib import Path

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.cnn import evaluate_cnn
from pipeline_lib.job import job

with job(snakemake):
    settings, seed = EvaluationConfig(**snakemake.params.settings), snakemake.params.seed
    files = map(Path, (snakemake.input[0], snakemake.output[0]))
    evaluate_cnn(*files, settings, seed=seed, threads=snakemake.threads)
