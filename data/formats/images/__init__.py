"""Image sets of Human3.6M."""
