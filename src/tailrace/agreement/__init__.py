"""Settings along the way of a response that must agree: AWS's limits and the relations."""
