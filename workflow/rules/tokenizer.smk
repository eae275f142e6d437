# tokenizer: learn a vocabulary from the training sentences.


rule tokenizer:
    input:
        expand("results/tokenizer/{tokenizer}/tokenizer.json", tokenizer=TOKENIZERS),


rule tokenizer_train:
    input:
        documents=lambda w: f"results/corpus/{tokenizer_corpus(w)}/train/documents.parquet",
        genomes=lambda w: genome_files(
            CONFIG.corpus.corpora[tokenizer_corpus(w)].assemblies
        ),
        haplotypes=lambda w: haplotype_folder(tokenizer_corpus(w)),
    output:
        tokenizer="results/tokenizer/{tokenizer}/tokenizer.json",
        stats="results/tokenizer/{tokenizer}/stats.json",
    log:
        "results/logs/tokenizer/{tokenizer}/train.log",
    benchmark:
        "results/benchmarks/tokenizer/{tokenizer}/train.tsv"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        settings=lambda w: settings("tokenizer", w.tokenizer),
        seed=CONFIG.seed,
        code=code_fingerprint("tokenizer"),
    script:
        "../scripts/tokenizer_train.py"
