"""A runtime for Lambda's Runtime API: `python -m tailrace.runtime module.handler`.

It is pure Python, and behaves as AWS's own Python runtime client (awslambdaric 4.2.2), with which
it was compared. Each difference that a handler can see is described at the code that makes it.
"""
