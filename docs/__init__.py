"""The documents, and the program that writes their reference pages."""
