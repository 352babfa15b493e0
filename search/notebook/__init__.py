"""Interface for Python and notebooks: `search.launch`, `search.open` and the sweep that they return."""
