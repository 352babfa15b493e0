"""Samplers of points, one file each, behind one protocol: TPE, Gaussian process, CMA-ES, NSGA-II, Sobol sequence,
random draws and a grid. Imports no Ray."""
