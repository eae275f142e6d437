"""Sequences as vectors: what an encoder gives of them, pooled or token by token."""
