"""Films and sheets of skeletons and meshes."""
