"""What `tailrace probe` measures: a function that says when it wrote what.

Try `tailrace probe http://127.0.0.1:8080/probe`, and the function's URL beside it.
"""

from tailrace.probe import handler

__all__ = ["handler"]
