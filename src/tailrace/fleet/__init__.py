"""The parent of a gateway's workers: sockets, processes, restarts. It is on no data path."""
