"""Live segments in object storage, for a CDN."""
