"""Crops of images, and the cache that keeps them decoded."""
