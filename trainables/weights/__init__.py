"""Weights on disk: ours, and the authors'."""
