"""A handler that imports nothing, for a runtime that is only started."""


def handler(event, context):
    """Never called."""
