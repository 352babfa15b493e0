"""Each sweep as a study of Optuna's in a file beside its journal, for Optuna's dashboard and tools."""
