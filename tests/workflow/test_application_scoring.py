"""Scores and priorities of variants by the workflow: entries made for real."""

import json

import pandas as pd
import pysam

from tests.workflow.conftest import Project


def test_variants_are_scored_and_prioritised(finished: Project) -> None:
    """Entries beside a finished run add their jobs, and nothing is made again."""
    project = Project(finished.folder, finished.root, prefix=finished.prefix)
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    with pysam.FastaFile(str(project.folder / "results/genome/small/genome.fa.gz")) as genome:
        name = genome.references[0]
        text = genome.fetch(name, 0, 60_000).upper()
    for at in range(20_000, 32_000, 500):
        said = ("GWAS", "1000G")[at % 1000 == 0]
        alt = "ACGT"[("ACGT".index(text[at]) + 1) % 4]
        lines.append(f"chrI\t{at + 1}\t{said}{at}\t{text[at]}\t{alt}\t.\t.\t.")
    (project.folder / "own.vcf").write_text("\n".join(lines) + "\n")
    (project.folder / "own.bed").write_text("I\t19000\t25000\thalf\n")
    project.values["application"] = {
        "scores": {
            "own": {"file": "own.vcf", "assembly": "small", "bed": "own.bed", "window": 60},
            "tuned": {"file": "own.vcf", "assembly": "small", "task": "starts"},
        },
        "priorities": {
            "own": {"scores": "own", "group_distance": 100, "folds": 2, "inner_folds": 2},
        },
    }  # fmt: skip
    project.write()
    folder = project.folder / "results" / "application" / "tiny"
    try:
        jobs = project.jobs("application")
        assert jobs == {
            "application": 1, "application_scores": 2, "application_priorities": 1, "total": 4,
        }  # fmt: skip
        project.succeed("application")
        for what, field in (("own", "DNALM_LLR"), ("tuned", "DNALM_tis_LFC")):
            with pysam.VariantFile(str(folder / "scores" / f"{what}.vcf.gz")) as file:
                assert sum(field in record.info for record in file.fetch("chrI")) == 24
        counts = json.loads((folder / "scores" / "own.json").read_text())
        assert counts["records"] == 24 and counts["reference_mismatches"] == 0
        regions = pd.read_csv(folder / "scores" / "own.regions.tsv", sep="\t")
        assert regions["scored"].tolist() == [10]
        found = json.loads((folder / "priorities" / "own.json").read_text())
        assert found["positives"] == found["negatives"] == 12
        assert "<svg" in (folder / "priorities" / "own.svg").read_text()
        assert project.planned("application") == set()

        project.values["application"]["priorities"]["own"]["scores"] = "owm"
        project.write()
        answer = project.run("--dry-run", "application")
        assert answer.returncode != 0
        assert "did you mean 'own'?" in answer.stdout + answer.stderr
    finally:
        finished.write()
