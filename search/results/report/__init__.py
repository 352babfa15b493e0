"""The report of a sweep, or of several side by side, as one HTML file."""
