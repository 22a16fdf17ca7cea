"""Packages that AWS runs: a layer, archives of functions, the gateway's wheels.

The same input gives the same bytes: no name, time or path of the machine that builds is inside.
"""
