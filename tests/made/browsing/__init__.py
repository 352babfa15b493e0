"""Recorded sweeps with and without planted faults, for the advice on a sweep."""
