"""What a stream shows while its publisher is silent: another stream, a file, a picture."""
