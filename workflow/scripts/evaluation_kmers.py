from pathlib import Path

from pipeline_lib.config.evaluation import EvaluationConfig
from pipeline_lib.evaluation.constant import evaluate_constant
from pipeline_lib.evaluation.kmer import evaluate_kmers
from pipeline_lib.job import job

with job(snakemake):
    settings, seed = EvaluationConfig(**snakemake.params.settings), snakemake.params.seed
    examples = Path(snakemake.input[0])
    evaluate_constant(examples, Path(snakemake.output.constant), settings, seed=seed)
    evaluate_kmers(examples, Path(snakemake.output.kmer), settings, seed=seed)
