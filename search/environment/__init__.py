"""Environment variables of Ray and MLflow, and the resolution of the MLflow tracking URI."""
