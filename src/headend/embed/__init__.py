"""This package is Headend inside another program: `headend.Server` and its streams."""
