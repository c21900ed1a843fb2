"""Features: what a server can do besides taking and giving streams, behind one port."""
