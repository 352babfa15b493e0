"""Native CPU kernels of training: dropout, attention of short sequences and layer norm, each in one pass."""
