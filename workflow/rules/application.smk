# application: what trained models are put to. Every output is asked for by an entry of `application`.


rule application:
    input:
        expand(
            "results/application/{model}/scores/{scores}.vcf.gz",
            model=MODELS,
            scores=CONFIG.application.scores,
        ),
        expand(
            "results/application/{model}/priorities/{priorities}.json",
            model=MODELS,
            priorities=CONFIG.application.priorities,
        ),
        expand(
            "results/application/{model}/embeddings/{embeddings}.svg",
            model=MODELS,
            embeddings=CONFIG.application.embeddings,
        ),
        expand(
            "results/application/{model}/annotations/{annotation}",
            model=MODELS,
            annotation=CONFIG.application.annotations,
        ),
        expand(
            "results/application/{model}/explanations/{explanation}",
            model=MODELS,
            explanation=CONFIG.application.explanations,
        ),
        [
            f"results/application/{model}/generations/{name}.fa"
            for name, models in WRITERS.items()
            for model in models
        ],
        expand(
            "results/application/haplotypes/{haplotypes}/report/report.html",
            haplotypes=CONFIG.application.haplotypes,
        ),


# ---- variants: `application.scores`, `application.priorities`


rule application_scores:
    input:
        variants=scored_file,
        genome=lambda w: f"results/genome/{scores_of(w).assembly}/genome.fa.gz",
        model=lambda w: reading_model(scores_of(w), w.model),
        bed=lambda w: scored_file(w, "bed"),
    output:
        **scored_figure("scores", "scored_variants", "scores {scores}"),
        # Its index lies beside it: `.tbi`, or `.csi` for contigs of more than 512 Mb.
        vcf="results/application/{model}/scores/{scores}.vcf.gz",
        counts="results/application/{model}/scores/{scores}.json",
        regions="results/application/{model}/scores/{scores}.regions.tsv",
    log:
        "results/logs/application/{model}/scores/{scores}.log",
    benchmark:
        "results/benchmarks/application/{model}/scores/{scores}.tsv"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=720,
    params:
        how=lambda w: scores_of(w).how(),
        code=code_fingerprint("application", "models"),
    script:
        "../scripts/application_scores.py"


rule application_priorities:
    input:
        scored=lambda w: f"results/application/{w.model}/scores/{priorities_of(w).scores}.vcf.gz",
        genome=lambda w: f"results/genome/{scores_of(w).assembly}/genome.fa.gz",
    output:
        **scored_figure("priorities", "priorities", "priorities {priorities}"),
        scores="results/application/{model}/priorities/{priorities}.json",
        table="results/application/{model}/priorities/{priorities}.tsv",
    log:
        "results/logs/application/{model}/priorities/{priorities}.log",
    benchmark:
        "results/benchmarks/application/{model}/priorities/{priorities}.tsv"
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        how=lambda w: priorities_of(w).how(),
        seed=CONFIG.seed,
        code=code_fingerprint("application", "evaluation"),
    script:
        "../scripts/application_priorities.py"


# ---- embeddings: `application.embeddings`


rule application_embed:
    input:
        sequences=lambda w: locate(
            embeddings_of(w).file,
            key=f"application.embeddings.{w.embeddings}.file",
            root=ROOT,
        ),
        model=lambda w: reading_model(embeddings_of(w), w.model),
        genome=embedded_genome,
    output:
        vectors="results/application/{model}/embeddings/{embeddings}.parquet",
        figure=report(
            "results/application/{model}/embeddings/{embeddings}.svg",
            caption="../report/embedded.rst",
            category="5 Application",
            labels={
                "what": "embeddings {embeddings}",
                "of": "{model}",
                "view": "figure",
            },
        ),
        table="results/application/{model}/embeddings/{embeddings}.tsv",
        page=report(
            "results/application/{model}/embeddings/{embeddings}.html",
            caption="../report/embedded.rst",
            category="5 Application",
            labels={
                "what": "embeddings {embeddings}",
                "of": "{model}",
                "view": "table",
            },
        ),
        points="results/application/{model}/embeddings/{embeddings}.points.tsv",
    log:
        "results/logs/application/{model}/embeddings/{embeddings}.log",
    benchmark:
        "results/benchmarks/application/{model}/embeddings/{embeddings}.tsv"
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        how=lambda w: embeddings_of(w).how(),
        shown=lambda w: {
            "label": embeddings_of(w).label,
            "plane": embeddings_of(w).plane,
        },
        seed=CONFIG.seed,
        code=code_fingerprint("application", "models"),
    script:
        "../scripts/application_embed.py"


# ---- tracks along contigs: `application.annotations`


rule application_annotate:
    input:
        genome=lambda w: f"results/genome/{annotation_of(w).assembly}/genome.fa.gz",
        model=lambda w: reading_model(annotation_of(w), w.model),
        bed=annotated_regions,
        # By the shape of its examples it is told how much the model reads.
        examples=lambda w: f"results/finetuning/datasets/{annotation_of(w).task}/examples.parquet",
    output:
        directory("results/application/{model}/annotations/{annotation}"),
    log:
        "results/logs/application/{model}/annotations/{annotation}.log",
    benchmark:
        "results/benchmarks/application/{model}/annotations/{annotation}.tsv"
    resources:
        mem_mb=3000,
        runtime=720,
    params:
        how=lambda w: annotation_of(w).how(),
        contigs=lambda w: annotation_of(w).contigs,
        code=code_fingerprint("application", "models"),
    script:
        "../scripts/application_annotate.py"


# ---- attribution: `application.explanations`


rule application_explanation:
    input:
        sequences=explained_sequences,
        model=explained_model,
        genome=explained_genome,
        motifs=explaining_motifs,
    output:
        folder=directory("results/application/{model}/explanations/{explanation}"),
        page=report(
            "results/application/{model}/explanations/{explanation}.html",
            caption="../report/explanation.rst",
            category="5 Application",
            labels={
                "what": "explanation {explanation}",
                "of": "{model}",
                "view": "page",
            },
        ),
    log:
        "results/logs/application/{model}/explanations/{explanation}.log",
    benchmark:
        "results/benchmarks/application/{model}/explanations/{explanation}.tsv"
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        settings=lambda w: explanation_of(w).settings(CONFIG.seed),
        code=code_fingerprint("application", "models"),
    script:
        "../scripts/application_explanation.py"


# ---- new sequence: `application.generations`


rule application_generation:
    input:
        model="results/pretraining/{model}/model",
        prompts=generation_prompts,
        genome=generation_genome,
    output:
        fasta="results/application/{model}/generations/{generation}.fa",
        summary="results/application/{model}/generations/{generation}.fa.json",
    log:
        "results/logs/application/{model}/generations/{generation}.log",
    benchmark:
        "results/benchmarks/application/{model}/generations/{generation}.tsv"
    resources:
        mem_mb=3000,
        runtime=720,
    params:
        settings=lambda w: generation_of(w).settings().model_dump(mode="json"),
        seed=CONFIG.seed,
        code=code_fingerprint("application/generation", "models"),
    script:
        "../scripts/application_generation.py"


# ---- artificial genomes: `application.haplotypes`


rule application_haplotypes_train:
    input:
        real=haplotype_file("file"),
        legend=haplotype_file("legend"),
    output:
        directory("results/application/haplotypes/{haplotypes}/model"),
    log:
        "results/logs/application/haplotypes/{haplotypes}/train.log",
    benchmark:
        "results/benchmarks/application/haplotypes/{haplotypes}/train.tsv"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=720,
    params:
        training=lambda w: haplotypes_of(w).training.model_dump(mode="json"),
        seed=CONFIG.seed,
        code=code_fingerprint("application/haplotypes", "models"),
    script:
        "../scripts/application_haplotypes_train.py"


rule application_haplotypes_generate:
    input:
        "results/application/haplotypes/{haplotypes}/model",
    output:
        "results/application/haplotypes/{haplotypes}/artificial.{format}",
    log:
        "results/logs/application/haplotypes/{haplotypes}/artificial.{format}.log",
    benchmark:
        "results/benchmarks/application/haplotypes/{haplotypes}/artificial.{format}.tsv"
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        drawn=lambda w: haplotypes_of(w).count,
        temperature=lambda w: haplotypes_of(w).temperature,
        seed=CONFIG.seed,
        code=code_fingerprint("application/haplotypes", "models"),
    script:
        "../scripts/application_haplotypes_generate.py"


HAPLOTYPE_FIGURES = [
    "frequencies",
    "decay",
    "distances",
    "nearest",
    "components",
    "triple",
]


rule application_haplotypes_report:
    input:
        real=haplotype_file("file"),
        legend=haplotype_file("legend"),
        populations=haplotype_file("populations"),
        model="results/application/haplotypes/{haplotypes}/model",
        ours=lambda w: f"results/application/haplotypes/{w.haplotypes}/artificial.{haplotypes_of(w).format}",
        others=compared_haplotypes,
    output:
        page=report(
            "results/application/haplotypes/{haplotypes}/report/report.html",
            caption="../report/haplotypes.rst",
            category="5 Application",
            labels={
                "what": "artificial genomes",
                "of": "{haplotypes}",
                "view": "page",
            },
        ),
        table="results/application/haplotypes/{haplotypes}/report/scores.tsv",
        scores="results/application/haplotypes/{haplotypes}/report/scores.json",
        figures=[
            report(
                f"results/application/haplotypes/{{haplotypes}}/report/{name}.svg",
                caption="../report/haplotypes.rst",
                category="5 Application",
                labels={
                    "what": f"artificial genomes: {name}",
                    "of": "{haplotypes}",
                    "view": "figure",
                },
            )
            for name in HAPLOTYPE_FIGURES
        ],
    log:
        "results/logs/application/haplotypes/{haplotypes}/report.log",
    benchmark:
        "results/benchmarks/application/haplotypes/{haplotypes}/report.tsv"
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        names=lambda w: list(haplotypes_of(w).compare),
        seed=CONFIG.seed,
        code=code_fingerprint("application/haplotypes"),
    script:
        "../scripts/application_haplotypes_report.py"
