"""Section ``application``: what trained models are put to."""

from pipeline_lib.config.base import Section


class ApplicationConfig(Section):
    """Scores of variants, embeddings, tracks, explanations, and new sequence."""
