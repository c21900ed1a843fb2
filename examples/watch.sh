#!/bin/sh
# Watches a stream with what is installed, with little delay.
# Usage: watch.sh [URL]
set -eu
url=${1:-rtmp://127.0.0.1/live/a}

if command -v ffplay >/dev/null; then
    exec ffplay -hide_banner -fflags nobuffer -flags low_delay "$url"
elif command -v mpv >/dev/null; then
    exec mpv --profile=low-latency "$url"
else
    exec vlc --network-caching=300 "$url"
fi
