"""Relays: streams sent to other servers, and fetched from them."""
