"""Media files of one's own, played on demand: over HLS and RTMP, without a copy of them."""
