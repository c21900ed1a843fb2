#!/bin/sh
# Publishes a file with FFmpeg, in real time, again and again.
# Usage: publish-ffmpeg.sh FILE [URL]
set -eu
file=$1
url=${2:-rtmp://127.0.0.1/live/a}

# A viewer starts at a keyframe: with one every 2 s nobody waits long for a picture.
# A file that holds H.264 and AAC already needs no encoder: -c copy in place of that line.
exec ffmpeg -hide_banner -re -stream_loop -1 -i "$file" \
    -c:v libx264 -preset veryfast -b:v 2500k -force_key_frames 'expr:gte(t,n_forced*2)' -c:a aac \
    -f flv "$url"
