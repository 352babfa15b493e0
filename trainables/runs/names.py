"""Names of the files in a run folder. No torch, so that whatever only looks for them starts quickly."""

BEST = "best.safetensors"
CONFIG = "config.yaml"
STATE = "state.pt"
LATEST = f"latest/{STATE}"  # after the last finished epoch
LOG = "log.tsv"
