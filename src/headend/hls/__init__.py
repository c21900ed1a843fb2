"""HLS: the packager, its window and playlists, and the streams that are packaged."""
