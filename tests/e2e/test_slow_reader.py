"""A client that does not read slows its own function, and nobody else."""
