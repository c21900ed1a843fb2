"""Certificates, their policy, ACME, and the TLS side of a connection."""
