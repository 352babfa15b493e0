"""Single runs: the training loop, the run folder, trunk features, and the verbs train, evaluate and pretrain."""
