"""Section ``application``: what trained models are put to."""

from pydantic import Field

from pipeline_lib.config.application_explanation import Explanation
from pipeline_lib.config.application_reading import Annotation, Embeddings
from pipeline_lib.config.base import Name, Section


class ApplicationConfig(Section):
    """Scores of variants, embeddings, tracks, explanations, and new sequence."""

    embeddings: dict[Name, Embeddings] = Field(
        {}, description="Sequences as vectors, and a figure of them."
    )
    annotations: dict[Name, Annotation] = Field({}, description="Tuned models run along contigs.")
    explanations: dict[Name, Explanation] = Field(
        {}, description="What decides about the outputs of models, base by base."
    )
