"""The HTTP side, on aiohttp: one module for each kind of route."""
