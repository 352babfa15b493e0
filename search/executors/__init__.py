"""How a trial runs in its worker processes."""
