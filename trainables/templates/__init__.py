"""Templates of new packages, and the writer that `python -m search new-model` runs."""
