"""The life of publishers and viewers: RTMP peers, sessions, limits, rates."""
