"""Where Headend meets the world: sockets, clock, random, logs."""
