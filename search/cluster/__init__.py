"""Ray, the machines that it runs on, and what `doctor` finds there."""
