# What the rules of the stage `application` ask the configuration for.


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


def annotation_of(wildcards):
    """Return the entry of contigs to annotate."""
    return CONFIG.application.annotations[wildcards.annotation]


def annotated_regions(wildcards):
    """Return the BED file of the regions, if there is one."""
    key = f"application.annotations.{wildcards.annotation}.bed"
    bed = annotation_of(wildcards).bed
    return locate(bed, key=key, root=ROOT) if bed else []


# ---- explanations


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


def scores_of(wildcards):
    """Return the entry of variants to score, or the one that is prioritised."""
    name = getattr(wildcards, "scores", None) or priorities_of(wildcards).scores
    return CONFIG.application.scores[name]


def priorities_of(wildcards):
    """Return the entry of variants to prioritise."""
    return CONFIG.application.priorities[wildcards.priorities]


def scored_file(wildcards, key="file"):
    """Return a file of an entry, where it was found; nothing if it is not given."""
    file = getattr(scores_of(wildcards), key)
    name = f"application.scores.{wildcards.scores}.{key}"
    return locate(file, key=name, root=ROOT) if file else []


def scored_figure(folder, caption, name):
    """Return the three declared files of a figure: SVG, TSV and HTML."""
    return {
        kind: report(
            f"results/application/{{model}}/{folder}/{{{folder}}}.{suffix}",
            caption=f"../report/{caption}.rst",
            category="5 Application",
            labels={"what": name, "of": "{model}", "view": FIGURE[kind]},
        )
        for kind, suffix in (
            ("figure", "svg"),
            ("values", "figure.tsv"),
            ("page", "html"),
        )
    }
