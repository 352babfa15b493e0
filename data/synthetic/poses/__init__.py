"""Made motion, its cameras and its detector."""
