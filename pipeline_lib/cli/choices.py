"""Values of options that are one of several words."""

from enum import StrEnum

Pooling = StrEnum("Pooling", ["mean", "max", "first", "center", "none"])
TooLong = StrEnum("TooLong", ["windows", "error"])
Precision = StrEnum("Precision", ["auto", "fp32", "bf16"])
Dtype = StrEnum("Dtype", ["float32", "float16"])
Plane = StrEnum("Plane", ["pca", "map"])
Strands = StrEnum("Strands", ["forward", "each", "mean"])
Format = StrEnum("Format", ["bigwig", "bedgraph"])
