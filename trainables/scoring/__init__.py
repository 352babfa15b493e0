"""Metrics, published protocols, and the tables that show them."""
