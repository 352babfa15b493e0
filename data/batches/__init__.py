"""From poses and images to batches: windows, order, and the arrays on a device."""
