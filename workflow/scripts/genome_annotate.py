from pathlib import Path

from pipeline_lib.genome.annotation import prepare_annotation
from pipeline_lib.job import job

with job(snakemake):
    folder = Path(snakemake.output.annotation).parent
    prepare_annotation(Path(snakemake.input.annotation), folder, sha256=snakemake.params.sha256)
