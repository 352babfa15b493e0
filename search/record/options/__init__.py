"""Values of the options of a sweep, and which of them go together."""
