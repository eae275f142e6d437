# shards: turn documents into tokens, stored as Parquet.
# With `shards.pieces`, several jobs encode a part each, and one more joins what they wrote.


rule shards:
    input:
        [
            f"results/shards/{model.corpus}/{model.tokenizer}/{split}"
            for model in map(CONFIG.pretraining.models.get, MODELS)
            for split in ("train", "valid", "test")
        ],


rule shards_piece:
    input:
        documents="results/corpus/{corpus}/{split}/documents.parquet",
        genomes=corpus_genomes,
        haplotypes=corpus_haplotypes,
        tokenizer="results/tokenizer/{tokenizer}/tokenizer.json",
    output:
        temp(directory("results/shards/{corpus}/{tokenizer}/pieces/{split}-{piece}")),
    log:
        "results/logs/shards/{corpus}/{tokenizer}/{split}-{piece}.log",
    benchmark:
        "results/benchmarks/shards/{corpus}/{tokenizer}/{split}-{piece}.tsv"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        settings=settings("shards"),
        code=code_fingerprint("shards"),
    script:
        "../scripts/shards_write.py"


rule shards_write:
    input:
        documents="results/corpus/{corpus}/{split}/documents.parquet",
        genomes=corpus_genomes,
        haplotypes=corpus_haplotypes,
        tokenizer="results/tokenizer/{tokenizer}/tokenizer.json",
        pieces=shard_pieces,
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
