"""A cluster: a directory of streams in Redis, and what its servers do together."""
