from pathlib import Path

from pipeline_lib.job import job
from pipeline_lib.report.leaderboard import leaderboard
from pipeline_lib.report.style import Outputs

with job(snakemake):
    files = (snakemake.output.figure, snakemake.output.table, snakemake.output.page)
    leaderboard(
        *map(Path, snakemake.input),
        folder=Path(snakemake.params.folder),
        launched=snakemake.params.launched,
        outputs=Outputs(*map(Path, files)),
    )
