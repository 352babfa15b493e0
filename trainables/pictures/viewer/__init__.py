"""Page that shows predictions in a browser: turned by dragging, played and paused, without a network."""
