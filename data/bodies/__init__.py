"""Body and hand models (SMPL, MANO format): joints, meshes, coarser mesh levels, drawing."""
