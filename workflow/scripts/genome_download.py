from pathlib import Path

from pipeline_lib.config.genome import Assembly
from pipeline_lib.genome.download import fetch
from pipeline_lib.job import job

with job(snakemake):
    assembly = Assembly(**snakemake.params.settings)
    checks = {
        "url": (assembly.sha256, assembly.md5),
        "annotation": (assembly.annotation_sha256, None),
    }
    sha256, md5 = checks.get(snakemake.wildcards.key, (None, None))
    target, retries = Path(snakemake.output[0]), assembly.download_retries
    fetch(snakemake.params.url, target, sha256=sha256, md5=md5, retries=retries)
