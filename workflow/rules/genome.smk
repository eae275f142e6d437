# genome: fetch assemblies, drop organelles and short contigs, join the annotation to them.


rule genome:
    input:
        genome_files(ASSEMBLIES),


rule genome_download:
    output:
        "results/genome/{assembly}/source/{key}",
    log:
        "results/logs/genome/{assembly}/download_{key}.log",
    benchmark:
        "results/benchmarks/genome/{assembly}/download_{key}.tsv"
    wildcard_constraints:
        key="url|annotation|assembly_report|aliases",
    localrule: True
    params:
        url=lambda w: getattr(CONFIG.genome.assemblies[w.assembly], w.key),
        settings=lambda w: settings("genome", w.assembly),
    script:
        "../scripts/genome_download.py"


rule genome_prepare:
    input:
        sequence=sequence_source,
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
        settings=lambda w: settings("genome", w.assembly),
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
