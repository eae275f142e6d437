from pathlib import Path

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.kmer import evaluate_kmers
from pipeline_lib.job import job

with job(snakemake):
    examples, output = Path(snakemake.input[0]), Path(snakemake.output[0])
    settings = EvaluationConfig(**snakemake.params.settings)
    evaluate_kmers(examples, output, settings, seed=snakemake.params.seed)
