"""How a stream travels: an RTMP connection as a state machine without I/O."""
