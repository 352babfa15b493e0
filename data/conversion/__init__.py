"""Motion from other people's files: their formats, joints and units to clips of the Human3.6M layout."""
