"""Motion capture made for tests."""
