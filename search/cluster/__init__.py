"""Ray sessions, resource claims, job submission, and the checks of `doctor`."""
