"""Joints of recordings: what names and marker sets mean, which way is up, and who moves."""
