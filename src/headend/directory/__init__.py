"""The directory: which member of a cluster, or which worker of a machine, has a stream."""
