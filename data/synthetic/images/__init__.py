"""Made people drawn as pictures."""
