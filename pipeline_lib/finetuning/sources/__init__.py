"""Where examples come from: one module for each type of task, each with ``read``."""
