"""Body and hand models: joints, meshes, coarser levels, and how they are drawn."""
