from pathlib import Path

from pipeline_lib.application.scoring.score import score_file
from pipeline_lib.config.application_scoring import ScoreSettings
from pipeline_lib.files import write_json
from pipeline_lib.job import job, optional
from pipeline_lib.report.scored_variants import spread_of_scores
from pipeline_lib.report.style import Outputs

with job(snakemake):
    variants, genome, model = map(Path, snakemake.input[:3])
    *drawn, vcf, counts, regions = map(Path, snakemake.output)
    how, bed = ScoreSettings(**snakemake.params.how), optional(snakemake.input.bed)
    more = {"bed": bed, "table": regions, "threads": snakemake.threads}
    write_json(counts, score_file(variants, genome.parent, model, vcf, how, **more))
    spread_of_scores(vcf, how.prefix, outputs=Outputs(*drawn))
