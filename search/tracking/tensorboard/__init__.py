"""Logs of a sweep for TensorBoard."""
