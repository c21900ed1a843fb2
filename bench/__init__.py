"""This package measures Headend beside nginx-rtmp and beside what the network stack alone costs."""
