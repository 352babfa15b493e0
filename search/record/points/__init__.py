"""First points of a sweep besides its recipe: of its space, of the user, of an earlier sweep."""
