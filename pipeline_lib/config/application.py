"""Section ``application``: what trained models are put to."""

from pydantic import Field

from pipeline_lib.config.application_explanation import Explanation
from pipeline_lib.config.application_generation import Generation
from pipeline_lib.config.application_haplotypes import HaplotypeEntry
from pipeline_lib.config.application_reading import Annotation, Embeddings
from pipeline_lib.config.application_scoring import Priorities, Scores
from pipeline_lib.config.base import Name, Section


class ApplicationConfig(Section):
    """Scores of variants, embeddings, tracks, explanations, and new sequence."""

    scores: dict[Name, Scores] = Field({}, description="Variants that all models score.")
    priorities: dict[Name, Priorities] = Field(
        {}, description="Labelled variants told apart by their scores."
    )
    embeddings: dict[Name, Embeddings] = Field(
        {}, description="Sequences as vectors, and a figure of them."
    )
    annotations: dict[Name, Annotation] = Field({}, description="Tuned models run along contigs.")
    explanations: dict[Name, Explanation] = Field(
        {}, description="What decides about the outputs of models, base by base."
    )
    generations: dict[Name, Generation] = Field(
        {}, description="New sequence by models of the next token."
    )
    haplotypes: dict[Name, HaplotypeEntry] = Field(
        {}, description="Artificial genomes of panels of haplotypes, with a report on them."
    )
