# corpus: cut the contigs into sentences and documents, and hold some of them out.
# Each assembly is a job of its own; only the plan and the joining look at all of them.


rule corpus:
    input:
        expand("results/corpus/{corpus}/stats.json", corpus=CORPORA),


rule corpus_queries:
    input:
        genome=lambda w: genome_files([lift_of(w.corpus).reference])[0],
        beds=lambda w: holdout_beds(CONFIG.corpus.corpora[w.corpus]),
    output:
        temp(multiext("results/corpus/{corpus}/lift/", "valid.fa", "test.fa")),
    log:
        "results/logs/corpus/{corpus}/queries.log",
    benchmark:
        "results/benchmarks/corpus/{corpus}/queries.tsv"
    params:
        settings=lambda w: settings("corpus", w.corpus),
        code=code_fingerprint("corpus"),
    script:
        "../scripts/corpus_queries.py"


rule corpus_lift:
    input:
        genome="results/genome/{assembly}/genome.fa.gz",
        queries="results/corpus/{corpus}/lift/{split}.fa",
    output:
        "results/corpus/{corpus}/lift/{assembly}.{split}.paf",
    log:
        "results/logs/corpus/{corpus}/lift/{assembly}.{split}.log",
    benchmark:
        "results/benchmarks/corpus/{corpus}/lift/{assembly}.{split}.tsv"
    conda:
        "../envs/minimap2.yaml"
    threads: 4
    resources:
        mem_mb=16000,
        runtime=240,
    params:
        command=lambda w, input, output, threads: outside_tool(
            lift_command(
                Path(input.genome),
                Path(input.queries),
                Path(output[0]),
                threads=threads,
                preset=lift_of(w.corpus).preset,
            )
        ),
    shell:
        "( {params.command} ) > {log} 2>&1"


rule corpus_plan:
    input:
        genomes=corpus_genomes,
        beds=lambda w: holdout_beds(CONFIG.corpus.corpora[w.corpus]),
        alignments=lambda w: lift_alignments(w.corpus),
    output:
        directory("results/corpus/{corpus}/plan"),
    log:
        "results/logs/corpus/{corpus}/plan.log",
    benchmark:
        "results/benchmarks/corpus/{corpus}/plan.tsv"
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        settings=lambda w: settings("corpus", w.corpus),
        code=code_fingerprint("corpus"),
    script:
        "../scripts/corpus_plan.py"


rule corpus_download:
    output:
        "results/corpus/{corpus}/source/{file}",
    log:
        "results/logs/corpus/{corpus}/download/{file}.log",
    benchmark:
        "results/benchmarks/corpus/{corpus}/download/{file}.tsv"
    localrule: True
    params:
        url=lambda w: next(
            file
            for file in CONFIG.corpus.corpora[w.corpus].variants.vcf
            if Path(file).name == w.file
        ),
    script:
        "../scripts/corpus_download.py"


rule corpus_haplotypes:
    input:
        genome=lambda w: corpus_genomes(w)[0],
        vcf=lambda w: variant_files(w.corpus),
    output:
        directory("results/corpus/{corpus}/haplotypes"),
    log:
        "results/logs/corpus/{corpus}/haplotypes.log",
    benchmark:
        "results/benchmarks/corpus/{corpus}/haplotypes.tsv"
    resources:
        mem_mb=4000,
        runtime=720,
    params:
        variants=lambda w: settings("corpus", w.corpus)["variants"],
        code=code_fingerprint("corpus"),
    script:
        "../scripts/corpus_haplotypes.py"


rule corpus_search:
    input:
        genome="results/genome/{assembly}/genome.fa.gz",
        plan="results/corpus/{corpus}/plan",
    output:
        "results/corpus/{corpus}/copies/{assembly}.tsv",
    log:
        "results/logs/corpus/{corpus}/search/{assembly}.log",
    benchmark:
        "results/benchmarks/corpus/{corpus}/search/{assembly}.tsv"
    shadow:
        "minimal"
    conda:
        "../envs/mmseqs2.yaml"
    threads: 4
    resources:
        mem_mb=32000,
        runtime=720,
    params:
        command=lambda w, input, output, threads: outside_tool(
            search_command(
                Path(input.plan) / "queries.fa",
                Path(input.genome),
                Path(output[0]),
                Path("mmseqs"),
                identity=CONFIG.corpus.corpora[w.corpus].homology.min_identity,
                threads=threads,
            )
        ),
    shell:
        "( {params.command} ) > {log} 2>&1"


rule corpus_cut:
    input:
        genome="results/genome/{assembly}/genome.fa.gz",
        plan="results/corpus/{corpus}/plan",
        annotation=region_annotation,
        regions=region_bed,
        haplotypes=corpus_haplotypes,
        copies=homology_hits,
    output:
        directory("results/corpus/{corpus}/assemblies/{assembly}"),
    log:
        "results/logs/corpus/{corpus}/cut/{assembly}.log",
    benchmark:
        "results/benchmarks/corpus/{corpus}/cut/{assembly}.tsv"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        settings=lambda w: settings("corpus", w.corpus),
        seed=CONFIG.seed,
        code=code_fingerprint("corpus"),
    script:
        "../scripts/corpus_cut.py"


rule corpus_build:
    input:
        genomes=corpus_genomes,
        plan="results/corpus/{corpus}/plan",
        assemblies=lambda w: expand(
            "results/corpus/{corpus}/assemblies/{assembly}",
            corpus=w.corpus,
            assembly=CONFIG.corpus.corpora[w.corpus].assemblies,
        ),
    output:
        train="results/corpus/{corpus}/train/documents.parquet",
        valid="results/corpus/{corpus}/valid/documents.parquet",
        test="results/corpus/{corpus}/test/documents.parquet",
        soft_masked="results/corpus/{corpus}/soft_masked.parquet",
        stats="results/corpus/{corpus}/stats.json",
    log:
        "results/logs/corpus/{corpus}/build.log",
    benchmark:
        "results/benchmarks/corpus/{corpus}/build.tsv"
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        settings=lambda w: settings("corpus", w.corpus),
        seed=CONFIG.seed,
        code=code_fingerprint("corpus"),
    script:
        "../scripts/corpus_build.py"
