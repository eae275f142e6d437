"""Section ``shards``: how tokens are stored."""

from pydantic import Field

from pipeline_lib.config.base import Section


class ShardsConfig(Section):
    """Parquet shards of tokens."""

    tokens_per_shard: int = Field(
        4_194_304,
        ge=1_000,
        description="A shard is closed at the first document border after this many tokens.",
    )
    pieces: int = Field(
        1,
        ge=1,
        le=1_000,
        description="Jobs that share the work on a corpus, for a cluster.",
    )
    documents_per_row_group: int = Field(
        64, ge=1, description="Documents that are read from a shard at once."
    )
    compression_level: int = Field(3, ge=1, le=22, description="Level of zstd compression.")
