"""What a web app costs in a function, beside Mangum, and beside uvicorn behind a local proxy.

`python -m bench.apps`, in some minutes. `cold` measures imports and starts, `served` the CPU time
and the instructions of requests and chunks; `bench/functions/web.py` is the app.
"""
