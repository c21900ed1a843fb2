"""Headend: a live-streaming server that takes RTMP in and hands it to any number of viewers."""

__version__ = "0.1.0.dev0"
