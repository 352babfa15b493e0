"""Pages beside MLflow's own in the server that `ui` starts: links of sweeps that open where training runs are."""
