"""Drains: a server takes nobody new, waits until those that are there have left, and stops."""
