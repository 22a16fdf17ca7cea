"""Events: the shapes in which front ends send an HTTP request, read and answered.

    shapes         the table of all shapes, and how each is recognized
    function_url   Function URLs, HTTP APIs with payload format 2.0, and the gateway

A new shape is a row in `shapes` and a module with its reader and its results. Functions import
these modules at their cold start: hence no named tuples, which cost more than all the rest.
"""
