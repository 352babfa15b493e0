"""Tables (pandas) and figures (plotly) of a sweep, made from its journal alone."""
