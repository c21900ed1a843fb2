"""libsrt, the system's library for SRT: its binding, and connections over it."""
