"""A local web page: tracks of models along a sequence, and what mutations change."""
