"""Stage ``shards``: documents become tokens, stored as Parquet.

A folder of shards holds ``part-00000.parquet``, ... and a ``manifest.json`` with counts and
checksums. For a seed it is the same to the byte, however many workers wrote it.
"""
