"""The archive of a function: its code, and its dependencies for the machine that runs it."""
