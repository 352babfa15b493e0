"""Readers and writers of mesh sets (MeshTransformer's TSV layout) and of body model files (SMPL, MANO)."""
