# genome: fetch assemblies, drop organelles and short contigs, join the annotation to them.


rule genome:
    input:
        genome_files(ASSEMBLIES),


onerror:
    from pipeline_lib.genome.failures import failure_summary

    print(failure_summary(Path("results"), ASSEMBLIES), file=sys.stderr)


# The scripts that fetch read the rest of their settings (mirrors, retries) from the configuration:
# a change of those is no reason to fetch again what is there already.
rule genome_look_up:
    output:
        "results/genome/{assembly}/source/addresses.json",
    log:
        "results/logs/genome/{assembly}/look_up.log",
    benchmark:
        "results/benchmarks/genome/{assembly}/look_up.tsv"
    localrule: True
    params:
        settings=lambda w: genome_settings(w.assembly, SOURCES),
    script:
        "../scripts/genome_look_up.py"


rule genome_datasets:
    output:
        temp("results/genome/{assembly}/source/datasets.zip"),
    log:
        "results/logs/genome/{assembly}/datasets.log",
    benchmark:
        "results/benchmarks/genome/{assembly}/datasets.tsv"
    localrule: True
    conda:
        "../envs/ncbi-datasets.yaml"
    params:
        settings=lambda w: genome_settings(w.assembly, SOURCES),
    script:
        "../scripts/genome_look_up.py"


rule genome_download:
    input:
        looked_up=looked_up,
    output:
        "results/genome/{assembly}/source/{key}",
    log:
        "results/logs/genome/{assembly}/download_{key}.log",
    benchmark:
        "results/benchmarks/genome/{assembly}/download_{key}.tsv"
    wildcard_constraints:
        key="sequence|annotation|assembly_report|aliases",
    localrule: True
    params:
        settings=lambda w: genome_settings(w.assembly, source_keys(w.key)),
    script:
        "../scripts/genome_download.py"


rule genome_prepare:
    input:
        sequence=lambda w: source(w.assembly, "sequence"),
        report=lambda w: source(w.assembly, "assembly_report"),
        aliases=lambda w: source(w.assembly, "aliases"),
    output:
        multiext("results/genome/{assembly}/genome.fa", ".gz", ".gz.fai", ".gz.gzi"),
        contigs="results/genome/{assembly}/contigs.tsv",
        aliases="results/genome/{assembly}/aliases.tsv",
        stats="results/genome/{assembly}/stats.json",
    log:
        "results/logs/genome/{assembly}/prepare.log",
    benchmark:
        "results/benchmarks/genome/{assembly}/prepare.tsv"
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        settings=lambda w: genome_settings(w.assembly, preparation_keys()),
        code=code_fingerprint("genome"),
    script:
        "../scripts/genome_prepare.py"


rule genome_annotate:
    input:
        genome="results/genome/{assembly}/genome.fa.gz",
        contigs="results/genome/{assembly}/contigs.tsv",
        aliases="results/genome/{assembly}/aliases.tsv",
        annotation=lambda w: source(w.assembly, "annotation"),
    output:
        annotation="results/genome/{assembly}/annotation.gff3.gz",
        index="results/genome/{assembly}/annotation.gff3.gz.tbi",
        stats="results/genome/{assembly}/annotation.json",
    log:
        "results/logs/genome/{assembly}/annotate.log",
    benchmark:
        "results/benchmarks/genome/{assembly}/annotate.tsv"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        sha256=lambda w: CONFIG.genome.assemblies[w.assembly].annotation_sha256,
        code=code_fingerprint("genome"),
    script:
        "../scripts/genome_annotate.py"
