"""Configuration: typed schemas, search spaces, YAML, errors and the command-line driver. Floor 0: imports only the
standard library and PyYAML."""
