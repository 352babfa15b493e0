"""Readers and writers of Human3.6M image sets (Human3.6M-Toolbox layout)."""
