"""Readers and writers of data set files, a module for each layout; pose layouts read to and write from a PoseSet."""
