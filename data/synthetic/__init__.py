"""Synthetic data sets: procedural motion, images, bodies and hands, generated from a seed without licensed files."""
