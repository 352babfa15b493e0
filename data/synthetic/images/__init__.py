"""Rendered images of synthetic people."""
