"""Floor 0: the language of configuration. Standard library and PyYAML only."""
