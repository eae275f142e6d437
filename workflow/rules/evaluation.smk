# evaluation: score models beside baselines, on sequence that they never saw.


rule evaluation:
    input:
        expand("results/evaluation/{model}/pretraining.json", model=MODELS),
        expand("results/evaluation/{model}/{task}.json", model=MODELS, task=TASKS),


rule evaluation_markov:
    input:
        train="results/corpus/{corpus}/train/documents.parquet",
        valid="results/corpus/{corpus}/valid/documents.parquet",
        test="results/corpus/{corpus}/test/documents.parquet",
        genomes=corpus_genomes,
    output:
        "results/evaluation/baselines/corpus/{corpus}.json",
    log:
        "results/logs/evaluation/baselines/corpus/{corpus}.log",
    benchmark:
        "results/benchmarks/evaluation/baselines/corpus/{corpus}.tsv"
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        settings=settings("evaluation"),
        seed=CONFIG.seed,
        code=code_fingerprint("evaluation"),
    script:
        "../scripts/evaluation_markov.py"


rule evaluation_kmers:
    input:
        "results/finetuning/datasets/{task}/examples.parquet",
    output:
        "results/evaluation/baselines/task/{task}.parquet",
    log:
        "results/logs/evaluation/baselines/task/{task}.log",
    benchmark:
        "results/benchmarks/evaluation/baselines/task/{task}.tsv"
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        settings=settings("evaluation"),
        seed=CONFIG.seed,
        code=code_fingerprint("evaluation"),
    script:
        "../scripts/evaluation_kmers.py"


rule evaluation_pretraining:
    input:
        model="results/pretraining/{model}/model",
        train=corpus_shards("train"),
        test=model_shards("test"),
        baselines=lambda w: f"results/evaluation/baselines/corpus/{model_corpus(w)}.json",
    output:
        "results/evaluation/{model}/pretraining.json",
    log:
        "results/logs/evaluation/{model}/pretraining.log",
    benchmark:
        "results/benchmarks/evaluation/{model}/pretraining.tsv"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        settings=settings("evaluation"),
        seed=CONFIG.seed,
        code=code_fingerprint("evaluation", "models"),
    script:
        "../scripts/evaluation_pretraining.py"


rule evaluation_task:
    input:
        examples="results/finetuning/datasets/{task}/examples.parquet",
        kmers="results/evaluation/baselines/task/{task}.parquet",
        train_documents=lambda w: expand(
            "results/corpus/{corpus}/train/documents.parquet",
            corpus=CONFIG.pretraining.models[w.model].sources,
        ),
        runs=lambda w: [
            f"results/finetuning/{w.model}/{w.task}/{run}/predictions.parquet"
            for run in task_runs(w.task)
        ],
    output:
        scores="results/evaluation/{model}/{task}.json",
        predictions="results/evaluation/{model}/{task}.parquet",
    log:
        "results/logs/evaluation/{model}/{task}.log",
    benchmark:
        "results/benchmarks/evaluation/{model}/{task}.tsv"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        settings=settings("evaluation"),
        seed=CONFIG.seed,
        code=code_fingerprint("evaluation"),
    script:
        "../scripts/evaluation_task.py"
