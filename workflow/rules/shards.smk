# shards: turn documents into tokens, stored as Parquet.


rule shards:
    input:
        [
            f"results/shards/{model.corpus}/{model.tokenizer}/{split}"
            for model in map(CONFIG.pretraining.models.get, MODELS)
            for split in ("train", "valid", "test")
        ],


rule shards_write:
    input:
        documents="results/corpus/{corpus}/{split}/documents.parquet",
        genomes=corpus_genomes,
        tokenizer="results/tokenizer/{tokenizer}/tokenizer.json",
    output:
        directory("results/shards/{corpus}/{tokenizer}/{split}"),
    log:
        "results/logs/shards/{corpus}/{tokenizer}/{split}.log",
    benchmark:
        "results/benchmarks/shards/{corpus}/{tokenizer}/{split}.tsv"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        settings=settings("shards"),
        code=code_fingerprint("shards"),
    script:
        "../scripts/shards_write.py"
