"""Worker processes of our own Ray that are forked from one process in which the libraries are loaded once."""
