"""Progress of a page: bars and lists of steps that change where they stand."""
