"""Ray sessions, resource claims, job submission."""
