# report: figures with the tables behind them, shown by `snakemake --report results/report.html`.


rule report:
    input:
        "results/report/summary.html",
        "results/report/costs.svg",
        "results/report/bits_per_base.svg",
        "results/report/models.svg",
        expand("results/report/assembly_{assembly}.svg", assembly=ASSEMBLIES),
        expand("results/report/corpus_{corpus}.svg", corpus=CORPORA),
        "results/report/tokenizers.svg",
        expand("results/report/tokens_{tokenizer}.svg", tokenizer=TOKENIZERS),
        expand("results/report/loss_{model}.svg", model=MODELS),
        ["results/report/zero_models.svg"] if ZERO_MODELS else [],
        expand("results/report/zero_{model}.svg", model=ZERO_MODELS),
        expand(
            "results/report/zero_sites_{model}.svg",
            model=ZERO_MODELS if "sites" in CONFIG.evaluation.zero.parts else [],
        ),
        expand(
            "results/report/{task}_embeddings_{model}.svg",
            task=CONFIG.evaluation.embeddings,
            model=MODELS,
        ),
        expand(
            "results/report/variants_{variants}_{model}.svg",
            variants=CONFIG.evaluation.variants,
            model=MODELS,
        ),
        ["results/report/leaderboard.svg"] if TASKS else [],
        expand("results/report/{task}.html", task=TASKS),
        expand("results/report/{task}_scores.svg", task=TASKS),
        expand(
            "results/report/{task}_grid_{model}.svg",
            task=[name for name in TASKS if CONFIG.finetuning.tasks[name].grid],
            model=MODELS,
        ),
        expand(
            "results/report/{task}_predictions_{model}.svg", task=TASKS, model=MODELS
        ),
        expand(
            "results/report/{task}_calibration_{model}.svg", task=TASKS, model=MODELS
        ),


rule report_summary:
    input:
        models=expand("results/evaluation/{model}/pretraining.json", model=MODELS),
        tasks=expand("results/evaluation/{model}/{task}.json", model=MODELS, task=TASKS),
    output:
        page=report(
            "results/report/summary.html",
            caption="../report/summary.rst",
            category="1 Results",
            labels={"what": "summary", "view": "page"},
        ),
        table=report(
            "results/report/summary.tsv",
            caption="../report/summary.rst",
            category="1 Results",
            labels={"what": "summary", "view": "table"},
        ),
    log:
        "results/logs/report/summary.log",
    benchmark:
        "results/benchmarks/report/summary.tsv"
    localrule: True
    params:
        title=CONFIG.report.title,
        code=code_fingerprint("report"),
    script:
        "../scripts/report_summary.py"


rule report_assembly:
    input:
        "results/genome/{assembly}/contigs.tsv",
    output:
        **figure(
            "assembly_{assembly}",
            "assembly",
            "2 Data",
            what="contigs",
            of="{assembly}",
        ),
    log:
        "results/logs/report/assembly_{assembly}.log",
    benchmark:
        "results/benchmarks/report/assembly_{assembly}.tsv"
    localrule: True
    params:
        draw="genome.assembly_overview",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_corpus:
    input:
        "results/corpus/{corpus}/stats.json",
    output:
        **figure(
            "corpus_{corpus}",
            "corpus",
            "2 Data",
            what="corpus",
            of="{corpus}",
        ),
    log:
        "results/logs/report/corpus_{corpus}.log",
    benchmark:
        "results/benchmarks/report/corpus_{corpus}.tsv"
    localrule: True
    params:
        draw="corpus.corpus_overview",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_tokenizers:
    input:
        expand("results/tokenizer/{tokenizer}/stats.json", tokenizer=TOKENIZERS),
    output:
        **figure(
            "tokenizers",
            "tokenizers",
            "2 Data",
            what="tokenizers",
            of="all",
        ),
    log:
        "results/logs/report/tokenizers.log",
    benchmark:
        "results/benchmarks/report/tokenizers.tsv"
    localrule: True
    params:
        draw="tokenizer.tokenizer_comparison",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_tokens:
    input:
        "results/tokenizer/{tokenizer}/stats.json",
    output:
        **figure(
            "tokens_{tokenizer}",
            "tokens",
            "2 Data",
            what="token lengths",
            of="{tokenizer}",
        ),
    log:
        "results/logs/report/tokens_{tokenizer}.log",
    benchmark:
        "results/benchmarks/report/tokens_{tokenizer}.tsv"
    localrule: True
    params:
        draw="tokenizer.token_lengths",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_loss:
    input:
        "results/pretraining/{model}/metrics.jsonl",
    output:
        **figure(
            "loss_{model}",
            "loss",
            "3 Pretraining",
            what="learning curve",
            of="{model}",
        ),
    log:
        "results/logs/report/loss_{model}.log",
    benchmark:
        "results/benchmarks/report/loss_{model}.tsv"
    localrule: True
    params:
        draw="pretraining.loss_curve",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_bits_per_base:
    input:
        expand("results/evaluation/{model}/pretraining.json", model=MODELS),
    output:
        **figure(
            "bits_per_base",
            "bits_per_base",
            "3 Pretraining",
            what="bits per base",
            of="all",
        ),
    log:
        "results/logs/report/bits_per_base.log",
    benchmark:
        "results/benchmarks/report/bits_per_base.tsv"
    localrule: True
    params:
        draw="pretraining.bits_per_base",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_zero_models:
    input:
        expand("results/evaluation/{model}/zero.json", model=ZERO_MODELS),
    output:
        **figure(
            "zero_models",
            "zero_models",
            "3 Pretraining",
            what="without labels",
            of="all",
        ),
    log:
        "results/logs/report/zero_models.log",
    benchmark:
        "results/benchmarks/report/zero_models.tsv"
    localrule: True
    params:
        draw="zero.zero_models",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_zero:
    input:
        "results/evaluation/{model}/zero.json",
    output:
        **figure(
            "zero_{model}",
            "zero",
            "3 Pretraining",
            what="without labels",
            of="{model}",
        ),
    log:
        "results/logs/report/zero_{model}.log",
    benchmark:
        "results/benchmarks/report/zero_{model}.tsv"
    localrule: True
    params:
        draw="zero.zero_overview",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_zero_sites:
    input:
        "results/evaluation/{model}/zero.json",
    output:
        **figure(
            "zero_sites_{model}",
            "zero_sites",
            "3 Pretraining",
            what="surprise around sites",
            of="{model}",
        ),
    log:
        "results/logs/report/zero_sites_{model}.log",
    benchmark:
        "results/benchmarks/report/zero_sites_{model}.tsv"
    localrule: True
    params:
        draw="zero.site_profiles",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_models:
    input:
        expand("results/evaluation/{model}/pretraining.json", model=MODELS),
        expand("results/pretraining/{model}/metrics.jsonl", model=MODELS),
    output:
        **figure(
            "models",
            "models",
            "1 Results",
            what="models side by side",
            of="all",
        ),
    log:
        "results/logs/report/models.log",
    benchmark:
        "results/benchmarks/report/models.tsv"
    localrule: True
    params:
        draw="comparison.model_comparison",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_leaderboard:
    # Time and memory are read from benchmark files, which are no declared outputs.
    input:
        expand("results/evaluation/{model}/{task}.json", model=MODELS, task=TASKS),
    output:
        **figure(
            "leaderboard",
            "leaderboard",
            "1 Results",
            what="leaderboard",
            of="all",
        ),
    log:
        "results/logs/report/leaderboard.log",
    benchmark:
        "results/benchmarks/report/leaderboard.tsv"
    localrule: True
    params:
        folder=lambda wildcards, input: input[0].split("/")[0],
        launched=WAITING_TASKS,
        code=code_fingerprint("report"),
    script:
        "../scripts/report_leaderboard.py"


rule report_scores:
    input:
        expand("results/evaluation/{model}/{{task}}.json", model=MODELS),
    output:
        **figure(
            "{task}_scores",
            "scores",
            "4 Tasks",
            "{task}",
            what="scores",
            of="all models",
        ),
    log:
        "results/logs/report/{task}_scores.log",
    benchmark:
        "results/benchmarks/report/{task}_scores.tsv"
    localrule: True
    params:
        draw="task.task_scores",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_predictions:
    input:
        "results/evaluation/{model}/{task}.json",
        "results/evaluation/{model}/{task}.parquet",
    output:
        **figure(
            "{task}_predictions_{model}",
            "predictions",
            "4 Tasks",
            "{task}",
            what="predictions",
            of="{model}",
        ),
    log:
        "results/logs/report/{task}_predictions_{model}.log",
    benchmark:
        "results/benchmarks/report/{task}_predictions_{model}.tsv"
    localrule: True
    params:
        draw="predictions.task_predictions",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_calibration:
    input:
        "results/evaluation/{model}/{task}.json",
    output:
        **figure(
            "{task}_calibration_{model}",
            "calibration",
            "4 Tasks",
            "{task}",
            what="calibration",
            of="{model}",
        ),
    log:
        "results/logs/report/{task}_calibration_{model}.log",
    benchmark:
        "results/benchmarks/report/{task}_calibration_{model}.tsv"
    localrule: True
    params:
        draw="task.calibration",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_places:
    input:
        expand("results/evaluation/{model}/{{task}}.json", model=MODELS),
    output:
        **figure(
            "{task}_places",
            "places",
            "4 Tasks",
            "{task}",
            what="scores by place",
            of="all models",
        ),
    log:
        "results/logs/report/{task}_places.log",
    benchmark:
        "results/benchmarks/report/{task}_places.tsv"
    localrule: True
    params:
        draw="task.task_places",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_training:
    input:
        lambda w: [
            f"results/finetuning/{w.model}/{w.task}/{run}/metrics.jsonl"
            for run in task_runs(w.task)
        ],
    output:
        **figure(
            "{task}_training_{model}",
            "training",
            "4 Tasks",
            "{task}",
            what="tuning",
            of="{model}",
        ),
    log:
        "results/logs/report/{task}_training_{model}.log",
    benchmark:
        "results/benchmarks/report/{task}_training_{model}.tsv"
    localrule: True
    params:
        draw="tuning.tuning_curves",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_task:
    input:
        results=expand("results/evaluation/{model}/{{task}}.json", model=MODELS),
        figures=task_figures,
    output:
        report(
            "results/report/{task}.html",
            caption="../report/task.rst",
            category="4 Tasks",
            subcategory="{task}",
            labels={"what": "all figures", "of": "all models", "view": "page"},
        ),
    log:
        "results/logs/report/{task}.log",
    benchmark:
        "results/benchmarks/report/{task}.tsv"
    localrule: True
    params:
        code=code_fingerprint("report"),
    script:
        "../scripts/report_task.py"


rule report_embeddings:
    input:
        "results/evaluation/{model}/embeddings/{task}.json",
        "results/evaluation/{model}/embeddings/{task}.parquet",
    output:
        **figure(
            "{task}_embeddings_{model}",
            "embeddings",
            "4 Tasks",
            "{task}",
            what="embeddings",
            of="{model}",
        ),
    log:
        "results/logs/report/{task}_embeddings_{model}.log",
    benchmark:
        "results/benchmarks/report/{task}_embeddings_{model}.tsv"
    localrule: True
    params:
        draw="embeddings.embedding_map",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_grid:
    input:
        "results/finetuning/{model}/{task}/grid/chosen.json",
    output:
        **figure(
            "{task}_grid_{model}",
            "grid",
            "4 Tasks",
            "{task}",
            what="settings tried",
            of="{model}",
        ),
    log:
        "results/logs/report/{task}_grid_{model}.log",
    benchmark:
        "results/benchmarks/report/{task}_grid_{model}.tsv"
    localrule: True
    params:
        draw="grid.grid_scores",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_variants:
    input:
        "results/evaluation/{model}/variants/{variants}.json",
        "results/evaluation/{model}/variants/{variants}.parquet",
    output:
        **figure(
            "variants_{variants}_{model}",
            "variants",
            "4 Tasks",
            "variants {variants}",
            what="variants",
            of="{model}",
        ),
    log:
        "results/logs/report/variants_{variants}_{model}.log",
    benchmark:
        "results/benchmarks/report/variants_{variants}_{model}.tsv"
    localrule: True
    params:
        draw="variants.variant_scores",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"


rule report_costs:
    # The benchmark files are no declared outputs; the results below come after all of them.
    input:
        rules.evaluation.input,
    output:
        **figure("costs", "costs", "5 Costs", what="time and memory", of="all jobs"),
    log:
        "results/logs/report/costs.log",
    localrule: True
    params:
        draw="costs.costs",
        folder="results/benchmarks",
        code=code_fingerprint("report"),
    script:
        "../scripts/report_figure.py"
