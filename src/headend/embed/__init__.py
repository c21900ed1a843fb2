"""Headend inside another program: `headend.Server` and its streams."""
