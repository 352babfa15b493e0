"""Histories and simulated sweeps for the tests of decisions."""
