# pretraining: train language models. The folder checkpoints/ beside the outputs is not declared:
# Snakemake deletes the outputs of a rule before it reruns it, and a run must find its checkpoints.
#
# With `launcher: slurm` the rule submits a job and waits for it, where Snakemake runs. Waiting
# takes no core (`threads: 0`), so that any number of models wait side by side. How the work is
# carried out is no parameter: the script reads it from the configuration.

WAITING_MODELS = [
    model for model in MODELS if CONFIG.pretraining.models[model].launcher == "slurm"
]


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
    localrule: len(WAITING_MODELS) > 0
    threads: lambda w: 0 if w.model in WAITING_MODELS else 2
    resources:
        mem_mb=lambda w, threads: 4000 if threads else 200,
        runtime=1440,
    params:
        settings=lambda w: settings("pretraining", w.model),
        architecture=lambda w: ARCHITECTURES[w.model].model_dump(mode="json"),
        seed=CONFIG.seed,
        code=code_fingerprint("pretraining", "models"),
    script:
        "../scripts/pretraining_train.py"
