"""Executors: run one trial in its worker processes, alone (`solo`) or in a Ray Train worker group (`group`)."""
