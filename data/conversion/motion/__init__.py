"""Files of motion capture: parsers of ASF/AMC, BVH and C3D to recordings."""
