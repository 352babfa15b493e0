"""Mesh sets, and the body models that make them."""
