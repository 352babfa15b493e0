"""Rendering of predictions: films and still pictures of skeletons and meshes."""
