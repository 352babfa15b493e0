"""Command-line options of every verb, one file per verb, and their validation. Imports no torch, Ray, Optuna or
MLflow."""
