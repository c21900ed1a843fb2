"""What a stream is made of: pure conversions between bytes and values."""
