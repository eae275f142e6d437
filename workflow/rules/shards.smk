# shards: turn documents into tokens, stored as Parquet.
# With `shards.pieces`, several jobs encode a part each, and one more joins what they wrote.


rule shards:
    input:
        [
            f"results/shards/{corpus}/{model.tokenizer}/{split}"
            for model in map(CONFIG.pretraining.models.get, MODELS)
            for split, corpora in (
                ("train", model.sources),
                ("valid", [model.corpus]),
                ("test", [model.corpus]),
            )
            for corpus in corpora
        ],


rule shards_write:
    input:
        documents="results/corpus/{corpus}/{split}/documents.parquet",
        genomes=corpus_genomes,
        haplotypes=corpus_haplotypes,
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


if CONFIG.shards.pieces > 1:

    use rule shards_write as shards_piece with:
        output:
            temp(
                directory("results/shards/{corpus}/{tokenizer}/pieces/{split}-{piece}")
            ),
        log:
            "results/logs/shards/{corpus}/{tokenizer}/{split}-{piece}.log",
        benchmark:
            "results/benchmarks/shards/{corpus}/{tokenizer}/{split}-{piece}.tsv"

    rule shards_join:
        input:
            pieces=expand(
                "results/shards/{{corpus}}/{{tokenizer}}/pieces/{{split}}-{piece}",
                piece=range(CONFIG.shards.pieces),
            ),
        output:
            directory("results/shards/{corpus}/{tokenizer}/{split}"),
        log:
            "results/logs/shards/{corpus}/{tokenizer}/{split}.log",
        benchmark:
            "results/benchmarks/shards/{corpus}/{tokenizer}/{split}.tsv"
        localrule: True
        params:
            code=code_fingerprint("shards"),
        script:
            "../scripts/shards_join.py"

    ruleorder: shards_join > shards_write
