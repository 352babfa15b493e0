"""Data modules: batches from poses and images by windows, sample order, and arrays on a device."""
