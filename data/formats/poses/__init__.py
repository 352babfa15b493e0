"""Readers and writers of pose files: layouts of VideoPose3D, HumanEva-I, MPI-INF-3DHP, and camera calibrations."""
