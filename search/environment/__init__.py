"""Environment variables, and the address of MLflow's store."""
