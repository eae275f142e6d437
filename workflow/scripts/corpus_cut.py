from pathlib import Path

from pipeline_lib.config.corpus import Corpus
from pipeline_lib.corpus.assembly import cut_assembly
from pipeline_lib.job import job, optional

with job(snakemake):
    files, assembly = snakemake.input, snakemake.wildcards.assembly
    cut_assembly(
        Path(files.genome).parent, Path(files.plan), Path(snakemake.output[0]),
        Corpus(**snakemake.params.settings),
        assembly=assembly, seed=snakemake.params.seed, workers=snakemake.threads,
        annotation=optional(files.annotation), haplotypes=optional(files.haplotypes),
        hits=optional(files.copies),
    )  # fmt: skip
