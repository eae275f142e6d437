# finetuning: make the examples of each task, and tune models to them.


rule finetuning:
    input:
        [
            f"results/finetuning/{model}/{task}/{run}/predictions.parquet"
            for model in MODELS
            for task in TASKS
            for run in task_runs(task)
        ],


rule finetuning_examples:
    input:
        genome=task_genome,
        beds=lambda w: holdout_beds(CONFIG.finetuning.tasks[w.task]),
    output:
        examples="results/finetuning/datasets/{task}/examples.parquet",
        stats="results/finetuning/datasets/{task}/stats.json",
    log:
        "results/logs/finetuning/datasets/{task}.log",
    benchmark:
        "results/benchmarks/finetuning/datasets/{task}.tsv"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        settings=lambda w: settings("finetuning", w.task),
        assembly=lambda w: CONFIG.finetuning.tasks[w.task].assembly,
        seed=CONFIG.seed,
        code=code_fingerprint("finetuning"),
    script:
        "../scripts/finetuning_examples.py"


rule finetuning_tune:
    input:
        model="results/pretraining/{model}/model",
        examples="results/finetuning/datasets/{task}/examples.parquet",
    output:
        model=directory("results/finetuning/{model}/{task}/{init}-{seed}/model"),
        metrics="results/finetuning/{model}/{task}/{init}-{seed}/metrics.jsonl",
        predictions="results/finetuning/{model}/{task}/{init}-{seed}/predictions.parquet",
    log:
        "results/logs/finetuning/{model}/{task}/{init}-{seed}.log",
    benchmark:
        "results/benchmarks/finetuning/{model}/{task}/{init}-{seed}.tsv"
    # One core each: two runs side by side use two cores better than one run does.
    threads: 1
    resources:
        mem_mb=3000,
        runtime=480,
    params:
        settings=lambda w: settings("finetuning", w.task),
        code=code_fingerprint("finetuning", "models"),
    script:
        "../scripts/finetuning_tune.py"
