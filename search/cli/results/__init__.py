"""Command-line options of the verbs that show and hand out what sweeps have found."""
