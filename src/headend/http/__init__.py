"""HTTP: media, pages, metrics and the management API."""
