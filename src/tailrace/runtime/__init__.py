"""A runtime for Lambda's Runtime API: `python -m tailrace.runtime module.handler`.

It behaves as AWS's own Python runtime client (awslambdaric 4.2.2), with which it was compared, in
pure Python. What a handler meets differently is said where it is decided.
"""
