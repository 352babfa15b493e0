"""The embedded default set: made motion and its detector noise, in the Human3.6M layout."""
