"""What a sweep has spent: wall-clock time and device time, from its records."""
