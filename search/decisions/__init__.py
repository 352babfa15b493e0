"""Which trial runs next, and which one stops. Imports no Ray."""
