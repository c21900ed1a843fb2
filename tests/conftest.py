"""This module sets up what all tests share."""

from hypothesis import settings

# `make fuzz`: as many examples as a night allows; a run can be stopped at any time.
settings.register_profile("fuzz", max_examples=50_000, deadline=None)
