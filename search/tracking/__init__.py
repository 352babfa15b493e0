"""Experiment tracking: projects a sweep's journal to MLflow runs and sends them in the background."""
