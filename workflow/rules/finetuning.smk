# finetuning: make the examples of each task, and tune models to them.

WAITING_TASKS = [
    task for task in TASKS if CONFIG.finetuning.tasks[task].launcher == "slurm"
]


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
        files=task_files,
        beds=lambda w: holdout_beds(CONFIG.finetuning.tasks[w.task]),
    output:
        examples="results/finetuning/datasets/{task}/examples.parquet",
        stats="results/finetuning/datasets/{task}/stats.json",
    log:
        "results/logs/finetuning/datasets/{task}.log",
    benchmark:
        "results/benchmarks/finetuning/datasets/{task}.tsv"
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=lambda w: task_examples(w.task),
        seed=CONFIG.seed,
        code=code_fingerprint("finetuning"),
    script:
        "../scripts/finetuning_examples.py"


rule finetuning_point:
    # One combination of a task's `grid`, scored on the validation examples alone.
    input:
        model="results/pretraining/{model}/model",
        examples="results/finetuning/datasets/{task}/examples.parquet",
    output:
        "results/finetuning/{model}/{task}/grid/{init}-{point}-{seed}/point.json",
    log:
        "results/logs/finetuning/{model}/{task}/grid/{init}-{point}-{seed}.log",
    benchmark:
        "results/benchmarks/finetuning/{model}/{task}/grid/{init}-{point}-{seed}.tsv"
    localrule: len(WAITING_TASKS) > 0
    threads: lambda w: 0 if w.task in WAITING_TASKS else 1
    resources:
        mem_mb=tuning_memory,
        runtime=480,
    params:
        settings=lambda w: task_tuning(w.task),
        point=lambda w: CONFIG.finetuning.tasks[w.task].point(w.point),
        code=code_fingerprint("finetuning", "models"),
    script:
        "../scripts/finetuning_point.py"


rule finetuning_choose:
    input:
        task_points,
    output:
        "results/finetuning/{model}/{task}/grid/chosen.json",
    log:
        "results/logs/finetuning/{model}/{task}/grid/chosen.log",
    benchmark:
        "results/benchmarks/finetuning/{model}/{task}/grid/chosen.tsv"
    localrule: True
    params:
        code=code_fingerprint("finetuning"),
    script:
        "../scripts/finetuning_choose.py"


rule finetuning_tune:
    input:
        model="results/pretraining/{model}/model",
        examples="results/finetuning/datasets/{task}/examples.parquet",
        choice=task_choice,
    output:
        model=directory("results/finetuning/{model}/{task}/{init}-{seed}/model"),
        metrics="results/finetuning/{model}/{task}/{init}-{seed}/metrics.jsonl",
        predictions="results/finetuning/{model}/{task}/{init}-{seed}/predictions.parquet",
    log:
        "results/logs/finetuning/{model}/{task}/{init}-{seed}.log",
    benchmark:
        "results/benchmarks/finetuning/{model}/{task}/{init}-{seed}.tsv"
    # As in pretraining, waiting for a job takes no core. One core each otherwise: two runs side by
    # side use two cores better than one run does.
    localrule: len(WAITING_TASKS) > 0
    threads: lambda w: 0 if w.task in WAITING_TASKS else 1
    resources:
        mem_mb=tuning_memory,
        runtime=480,
    params:
        settings=lambda w: task_tuning(w.task),
        code=code_fingerprint("finetuning", "models"),
    script:
        "../scripts/finetuning_tune.py"
