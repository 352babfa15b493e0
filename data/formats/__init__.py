"""Readers and writers, one module a layout; each gives or takes a PoseSet."""
