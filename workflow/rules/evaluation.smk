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
        constant="results/evaluation/baselines/task/{task}/constant.parquet",
        kmer="results/evaluation/baselines/task/{task}/kmer.parquet",
    log:
        "results/logs/evaluation/baselines/task/{task}/kmers.log",
    benchmark:
        "results/benchmarks/evaluation/baselines/task/{task}/kmers.tsv"
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        settings=settings("evaluation"),
        seed=CONFIG.seed,
        code=code_fingerprint("evaluation"),
    script:
        "../scripts/evaluation_kmers.py"


rule evaluation_cnn:
    input:
        "results/finetuning/datasets/{task}/examples.parquet",
    output:
        "results/evaluation/baselines/task/{task}/cnn.parquet",
    log:
        "results/logs/evaluation/baselines/task/{task}/cnn.log",
    benchmark:
        "results/benchmarks/evaluation/baselines/task/{task}/cnn.tsv"
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        settings=settings("evaluation"),
        seed=CONFIG.seed,
        code=code_fingerprint("evaluation"),
    script:
        "../scripts/evaluation_cnn.py"


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
        stats="results/finetuning/datasets/{task}/stats.json",
        baselines=expand(
            "results/evaluation/baselines/task/{{task}}/{baseline}.parquet",
            baseline=CONFIG.evaluation.baselines,
        ),
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
        mem_mb=3000,
        runtime=60,
    params:
        settings=settings("evaluation"),
        seed=CONFIG.seed,
        code=code_fingerprint("evaluation"),
    script:
        "../scripts/evaluation_task.py"
