"""Image crops, and the crop cache: decoded crops on disk."""
