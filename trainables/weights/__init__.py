"""Weights and checkpoints on disk: our own, and import of the authors'."""
