"""`predict`: 3D poses and meshes from the user's videos and images."""
