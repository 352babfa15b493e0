"""Execution of the verbs that train: `launch`, `resume`, `confirm` and `train`, with Ray Tune plug-ins, journal and
tracking."""
