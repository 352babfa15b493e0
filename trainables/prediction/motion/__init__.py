"""Files that hold predicted poses in motion: rotating bones (BVH, glTF) and points (C3D, TRC)."""
