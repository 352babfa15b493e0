"""Command-line options of the verbs that train: `launch`, `resume`, `confirm`, `train`, `submit`."""
