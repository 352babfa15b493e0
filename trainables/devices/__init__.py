"""Devices: selection, memory, CPU count, CUDA graphs, and data-parallel teams of processes."""
