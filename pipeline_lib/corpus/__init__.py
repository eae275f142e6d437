"""Stage ``corpus``: contigs become sentences, documents and splits.

The corpus is a table of coordinates, not a copy of the sequence: ten passes over both strands of
a genome are a few megabytes. Sequence is read once, when it is turned into tokens.
"""
