# pretraining: train language models. The folder checkpoints/ beside the outputs is not declared:
# Snakemake deletes the outputs of a rule before it reruns it, and a run must find its checkpoints.


rule pretraining:
    input:
        expand("results/pretraining/{model}/model", model=MODELS),


rule pretraining_train:
    input:
        train=model_shards("train"),
        valid=model_shards("valid"),
        tokenizer=model_tokenizer,
    output:
        model=directory("results/pretraining/{model}/model"),
        metrics="results/pretraining/{model}/metrics.jsonl",
        config="results/pretraining/{model}/config.yaml",
    log:
        "results/logs/pretraining/{model}/train.log",
    benchmark:
        "results/benchmarks/pretraining/{model}/train.tsv"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=1440,
    params:
        settings=lambda w: settings("pretraining", w.model),
        architecture=lambda w: ARCHITECTURES[w.model].model_dump(mode="json"),
        seed=CONFIG.seed,
        code=code_fingerprint("pretraining", "models"),
    script:
        "../scripts/pretraining_train.py"
