from pathlib import Path

from pipeline_lib.application.explanation.run import explain
from pipeline_lib.application.explanation.settings import Settings
from pipeline_lib.job import job

with job(snakemake):
    sequences, model = Path(snakemake.input.sequences), Path(snakemake.input.model)
    genome = Path(snakemake.input.genome).parent if snakemake.input.get("genome") else None
    motifs = Path(snakemake.input.motifs) if snakemake.input.get("motifs") else None
    output, settings = Path(snakemake.output[0]), Settings(**snakemake.params.settings)
    explain(sequences, model, output, settings, genome=genome, motifs=motifs)
