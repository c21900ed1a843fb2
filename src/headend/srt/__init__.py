"""SRT: publishers and viewers whose media is MPEG-TS, through the system's libsrt."""
