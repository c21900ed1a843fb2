"""Streams that other servers have: their names are claimed, and copies of them fetched."""
