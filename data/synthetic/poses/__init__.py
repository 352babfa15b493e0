"""Synthetic motion with its cameras and simulated 2D detector."""
