#!/bin/sh
# Publishes a test picture and a tone with GStreamer. An element in place of videotestsrc, such as
# v4l2src, publishes a camera.
# Usage: publish-gstreamer.sh [URL]
set -eu
url=${1:-rtmp://127.0.0.1/live/a}

# streamable=true: flvmux writes no index at the end, which a live stream has no place for.
exec gst-launch-1.0 -e \
    flvmux name=mux streamable=true ! rtmp2sink location="$url" \
    videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=25/1 \
    ! x264enc tune=zerolatency speed-preset=veryfast bitrate=1000 key-int-max=50 \
    ! h264parse ! queue ! mux. \
    audiotestsrc is-live=true volume=0.1 ! audio/x-raw,rate=44100 \
    ! avenc_aac ! aacparse ! queue ! mux.
