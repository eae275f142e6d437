"""Section ``report``: what the report page is called."""

from pydantic import Field

from pipeline_lib.config.base import Section


class ReportConfig(Section):
    """The report page."""

    title: str = Field("DNA language models", description="Title of the report.")
