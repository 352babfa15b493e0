"""Training engines: one trial (SingleEngine), or many trials stacked in one step (FusedEngine)."""
