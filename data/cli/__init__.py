"""Command-line options of `python -m data`, a file for each verb. Imports no torch."""
