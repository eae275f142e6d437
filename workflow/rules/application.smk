# application: what trained models are put to. Every output is asked for by an entry of `application`.


rule application:
    input:
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


# ---- variants: `application.scores`, `application.priorities`


# ---- embeddings: `application.embeddings`


def embeddings_of(wildcards):
    """Return the entry of sequences to embed."""
    return CONFIG.application.embeddings[wildcards.embeddings]


def reading_model(entry, model):
    """Return the folder of a model: tuned to the task of an entry, by its first seed, or pretrained."""
    if entry.task is None:
        return f"results/pretraining/{model}/model"
    return f"results/finetuning/{model}/{entry.task}/{task_runs(entry.task)[0]}/model"


def embedded_genome(wildcards):
    """Return the genome that intervals are read from, if there is one."""
    assembly = embeddings_of(wildcards).assembly
    return f"results/genome/{assembly}/genome.fa.gz" if assembly else []


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


def annotation_of(wildcards):
    """Return the entry of contigs to annotate."""
    return CONFIG.application.annotations[wildcards.annotation]


def annotated_regions(wildcards):
    """Return the BED file of the regions, if there is one."""
    key = f"application.annotations.{wildcards.annotation}.bed"
    bed = annotation_of(wildcards).bed
    return locate(bed, key=key, root=ROOT) if bed else []


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


def explanation_of(wildcards):
    """Return the entry of an explanation."""
    return CONFIG.application.explanations[wildcards.explanation]


def explained_sequences(wildcards):
    """Return the file of sequences: where it was found, or the examples of the task."""
    entry = explanation_of(wildcards)
    if entry.file is None:
        return f"results/finetuning/datasets/{entry.task}/examples.parquet"
    key = f"application.explanations.{wildcards.explanation}.file"
    return locate(entry.file, key=key, root=ROOT)


def explained_model(wildcards):
    """Return the folder of the model: tuned to the task, by its first seed, or pretrained."""
    entry = explanation_of(wildcards)
    if not entry.tuned:
        return f"results/pretraining/{wildcards.model}/model"
    run = task_runs(entry.task)[0]
    return f"results/finetuning/{wildcards.model}/{entry.task}/{run}/model"


def explained_genome(wildcards):
    """Return the genome that intervals are read from, if there is one."""
    assembly = explanation_of(wildcards).assembly
    return f"results/genome/{assembly}/genome.fa.gz" if assembly else []


def explaining_motifs(wildcards):
    """Return the file of motifs, if there is one."""
    motifs = explanation_of(wildcards).motifs
    key = f"application.explanations.{wildcards.explanation}.motifs"
    return locate(motifs, key=key, root=ROOT) if motifs else []


rule application_explanation:
    input:
        sequences=explained_sequences,
        model=explained_model,
        genome=explained_genome,
        motifs=explaining_motifs,
    output:
        report(
            directory("results/application/{model}/explanations/{explanation}"),
            htmlindex="index.html",
            caption="../report/explanation.rst",
            category="5 Application",
            labels={"what": "explanation {explanation}", "of": "{model}", "view": "page"},
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


# ---- artificial genomes: `application.haplotypes`
