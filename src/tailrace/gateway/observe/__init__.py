"""What operators see of the gateway: the log line of each exchange, counts, health, metrics."""
