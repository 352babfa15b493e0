"""Readers of the user's input files for `predict`: 2D keypoints, videos, photos, bounding boxes."""
