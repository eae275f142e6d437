"""Architectures: pure torch, knowing nothing of files, stages or the workflow."""
