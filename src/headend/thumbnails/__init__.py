"""Pictures of live streams, made in a process of their own."""
