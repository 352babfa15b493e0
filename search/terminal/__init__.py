"""Output of a running sweep: lines, spinner and panel on the terminal, and the log beside the record."""
