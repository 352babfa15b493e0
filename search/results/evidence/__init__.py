"""Statistics of a recorded sweep, from which advice follows."""
