"""The verbs of `python -m data`, one module each: `run` takes the parsed words and returns the exit code."""
