"""Tracks along contigs: what a tuned model says of every base or bin, window after window."""
