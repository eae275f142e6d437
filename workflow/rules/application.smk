# application: what trained models are put to. Every output is asked for by an entry of `application`.


rule application:
    input:
        [],


# ---- variants: `application.scores`, `application.priorities`


# ---- embeddings: `application.embeddings`


# ---- tracks along contigs: `application.annotations`


# ---- attribution: `application.explanations`


# ---- new sequence: `application.generations`


# ---- artificial genomes: `application.haplotypes`
