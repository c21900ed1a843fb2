"""Who publishes and who watches: streams in memory, synchronous and without I/O."""
