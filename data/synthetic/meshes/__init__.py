"""Made bodies and hands."""
