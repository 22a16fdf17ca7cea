"""What a fleet of gateways costs, and how large it is, for a number of open streams."""
