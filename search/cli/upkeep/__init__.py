"""Command-line options of the verbs that look after sweeps and the machine."""
