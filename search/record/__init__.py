"""What a sweep writes down: its journal, its plan, where it came from."""
