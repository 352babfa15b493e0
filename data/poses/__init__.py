"""Poses in memory: skeletons, cameras, sequences, and which subjects train, select and test."""
