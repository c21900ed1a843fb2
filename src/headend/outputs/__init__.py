"""What leaves: each module is a sink of a stream."""
