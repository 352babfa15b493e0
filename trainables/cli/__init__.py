"""Command-line options of `python -m trainables`, a file for each verb. Imports no torch."""
