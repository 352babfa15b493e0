"""Readers of what 2D pose detectors write, recognised by content."""
