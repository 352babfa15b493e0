"""What may be typed: a file for each verb. Imports no torch."""
