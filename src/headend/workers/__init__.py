"""Workers of one machine: their supervisor, the ports they share, the pipes between them."""
