"""Command-line options of every verb, one file per verb in a room for its kind, and beside the rooms what they share.
Imports no torch, Ray, Optuna or MLflow."""
