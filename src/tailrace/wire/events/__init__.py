"""Events: the shapes in which front ends send an HTTP request, read and answered.

    shapes         the table of all shapes, and how each is recognized
    function_url   Function URLs, and the gateway
    http_api       API Gateway's HTTP APIs, both payload formats
    rest           API Gateway's REST APIs
    alb            Application Load Balancers, with and without multi-value headers

A new shape is a row in `shapes` and a module with its codec: a reader, its results, its prelude.
Functions import these modules, each when its first event arrives, and `function_url` at their cold
start: hence no named tuples, which cost more than all the rest.
"""
