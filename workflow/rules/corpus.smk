# corpus: cut the contigs into sentences and documents, and hold some of them out.


rule corpus:
    input:
        expand("results/corpus/{corpus}/stats.json", corpus=CORPORA),


rule corpus_build:
    input:
        genomes=corpus_genomes,
        beds=lambda w: holdout_beds(CONFIG.corpus.corpora[w.corpus]),
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
        mem_mb=2000,
        runtime=120,
    params:
        settings=lambda w: settings("corpus", w.corpus),
        seed=CONFIG.seed,
        code=code_fingerprint("corpus"),
    script:
        "../scripts/corpus_build.py"
