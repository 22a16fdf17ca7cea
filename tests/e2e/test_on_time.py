"""Through the whole chain, chunk n is at the client before chunk n+1 may be written."""
