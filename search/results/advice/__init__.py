"""Advice on a recorded sweep, and the statistics from which it follows."""
