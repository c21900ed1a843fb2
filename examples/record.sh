#!/bin/sh
# Writes a stream to a file, as it is, until it ends or Ctrl-C.
# Usage: record.sh URL FILE.mkv
set -eu
exec ffmpeg -hide_banner -i "$1" -map 0 -c copy "$2"
