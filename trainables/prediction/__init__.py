"""`predict`: what people give, to 3D poses and meshes."""
