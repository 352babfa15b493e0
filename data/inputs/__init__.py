"""What people give to `predict`: keypoints, videos, photos, boxes."""
