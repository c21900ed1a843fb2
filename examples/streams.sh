#!/bin/sh
# Lists the live streams of a server on this machine.
# Usage: streams.sh [DATA_FOLDER [HTTP_ADDRESS]]
set -eu
data=${1:-$HOME/.local/share/headend}
address=${2:-127.0.0.1:8080}

exec curl --silent --show-error --fail-with-body \
    --header "Authorization: Bearer $(cat "$data/admin.token")" \
    "http://$address/api/v1/streams"
