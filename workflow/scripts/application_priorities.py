from pathlib import Path

from pipeline_lib.application.scoring.prioritise import prioritise
from pipeline_lib.config.application_scoring import PrioritySettings
from pipeline_lib.job import job
from pipeline_lib.report.priorities import priority_scores
from pipeline_lib.report.style import Outputs

with job(snakemake):
    variants, genome = map(Path, snakemake.input)
    *drawn, scores, table = map(Path, snakemake.output)
    how = PrioritySettings(**snakemake.params.how)
    prioritise(variants, genome.parent, scores, table, how, seed=snakemake.params.seed)
    priority_scores(scores, table, outputs=Outputs(*drawn))
