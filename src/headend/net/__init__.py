"""Sockets: the ready set, transports with and without TLS, listeners, deadlines, admission."""
