"""Stand-ins for a silent publisher: another stream, a file, a picture."""
