"""Recordings: streams written to disk, and what is known of them."""
