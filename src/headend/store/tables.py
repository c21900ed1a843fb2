"""The tables of the database, and what each holds.

Times are Unix seconds, so that SQLite and PostgreSQL agree. A change here is a new file in
`migrations/versions/`, which is named here as the newest; a test compares both.
"""

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from headend.store.connection import DatabaseConnection

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

REVISION: Final = "0007"  # of the newest migration

METADATA: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

PUBLISH_KEYS: Final = sa.Table(
    "publish_keys",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("hash", sa.LargeBinary(32), nullable=False, unique=True),  # keyed, of the key
    sa.Column("stream", sa.String(1024), nullable=False, index=True),
    sa.Column("label", sa.String(200), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float),
    sa.Column("revoked_at", sa.Float),
    sa.Column("networks", sa.JSON, nullable=False),  # texts; empty: from everywhere
    sa.Column("tls_only", sa.Boolean, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    # Encrypted: what checks a user and password by authmod, the id being the user.
    sa.Column("password", sa.LargeBinary, nullable=False),
    sa.Column("used_at", sa.Float),
    sa.Column("used_from", sa.String(64)),
)

# Events for webhooks that were not delivered yet, and those that never were.
OUTBOX: Final = sa.Table(
    "outbox",
    METADATA,
    sa.Column(
        "sequence",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("id", sa.String(36), nullable=False, unique=True),
    sa.Column("endpoint", sa.String(64), nullable=False, index=True),
    sa.Column("stream", sa.String(1024), nullable=False),  # order is kept within one
    sa.Column("event", sa.String(64), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", sa.Float, nullable=False, index=True),
    sa.Column("dead_at", sa.Float),
    sa.Column("error", sa.String(500)),
    # The server that delivers it, of those that share the database.
    sa.Column("node", sa.String(32), nullable=False, server_default="", index=True),
)

AUDIT: Final = sa.Table(
    "audit",
    METADATA,
    sa.Column(
        "number",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("at", sa.Float, nullable=False, index=True),
    sa.Column("actor", sa.String(200), nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("target", sa.String(1100), nullable=False),
    sa.Column("address", sa.String(64), index=True),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("detail", sa.String(1000), nullable=False),
    sa.Column("count", sa.Integer, nullable=False, server_default="1"),  # how often it happened
)

SESSIONS: Final = sa.Table(
    "sessions",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),  # publish or play
    sa.Column("protocol", sa.String(16), nullable=False),
    sa.Column("stream", sa.String(1024), nullable=False, index=True),
    sa.Column("address", sa.String(64), index=True),
    sa.Column("subject", sa.String(200)),  # id of a key, or who a token was made for
    sa.Column("user_agent", sa.String(200)),
    sa.Column("started_at", sa.Float, nullable=False, index=True),
    sa.Column("ended_at", sa.Float),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.String(500)),
    sa.Column("code", sa.String(64)),  # of a refusal
    sa.Column("session", sa.BigInteger),  # its number in the API
    sa.Column("node", sa.String(32), nullable=False, server_default="", index=True),
)

# Servers that share the database, and when each was last seen running.
NODES: Final = sa.Table(
    "nodes",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("seen_at", sa.Float, nullable=False),
)

# Relays that the API added, besides those of the settings.
RELAYS: Final = sa.Table(
    "relays",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("node", sa.String(32), nullable=False, index=True),  # the server that relays
    sa.Column("direction", sa.String(8), nullable=False),  # out or in
    # Encrypted: JSON of what the API was given; its URL and its key are secrets.
    sa.Column("spec", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

# What was recorded of streams. The files lie in `record.folder` of the server that has recorded it.
RECORDINGS: Final = sa.Table(
    "recordings",
    METADATA,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("node", sa.String(32), nullable=False),
    sa.Column("stream", sa.String(1024), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),  # recording, ready or failed
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("ended", sa.Float),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("files", sa.Integer, nullable=False),
    sa.Column("duration_s", sa.Float, nullable=False),
    # Files or segments are missing here, and are to be found in the files themselves.
    sa.Column("is_torn", sa.Boolean, nullable=False),
    sa.Column("kind", sa.String(16), nullable=False, server_default="recording"),  # or clip
    sa.Column("origin", sa.String(36)),  # id of the recording that a clip was cut from
    sa.Column("stored", sa.Integer, nullable=False, server_default="0"),  # files in a store
    # With all that lists are chosen by.
    sa.Index("ix_recordings_started", "node", "started", "id", "ended", "stream"),
    sa.Index("ix_recordings_stream", "node", "stream", "started", "id", "ended"),
    sa.Index("ix_recordings_ended", "node", "ended", "bytes"),
)

RECORDED_FILES: Final = sa.Table(
    "recorded_files",
    METADATA,
    sa.Column("recording_id", sa.String(36), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("path", sa.String(1200), nullable=False),
    sa.Column("init_size", sa.Integer, nullable=False),
    sa.Column("discontinuity", sa.Boolean, nullable=False),
    sa.Column("codecs", sa.String(200), nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("store", sa.String(1024), nullable=False, server_default=""),  # URL; empty: in none
    sa.Column("size", sa.BigInteger),  # bytes, of what is in a store
    sa.Column("is_local", sa.Boolean, nullable=False, server_default=sa.true()),  # in the folder
    # Of those that are in no store yet, which are few where there is one. The migration makes the
    # same of PostgreSQL's; to say so here would load its dialect, of 2 MiB.
    sa.Index("ix_recorded_files_waiting", "recording_id", sqlite_where=sa.text("store = ''")),
)

# Objects that are in a store still, and not wanted any more.
DELETED_OBJECTS: Final = sa.Table(
    "deleted_objects",
    METADATA,
    sa.Column("store", sa.String(1024), primary_key=True),
    sa.Column("key", sa.String(1300), primary_key=True),
    sa.Column("node", sa.String(32), nullable=False, index=True),  # the server that deletes it
)

RECORDED_SEGMENTS: Final = sa.Table(
    "recorded_segments",
    METADATA,
    sa.Column("recording_id", sa.String(36), primary_key=True),
    sa.Column("file", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("offset", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("start_s", sa.Float, nullable=False),
    sa.Column("duration_s", sa.Float, nullable=False),
    sa.Column("date", sa.Float, nullable=False),
    sa.Column("is_keyframe", sa.Boolean, nullable=False),
    sqlite_with_rowid=False,  # those of one recording lie together, once
)

# Playlists of long recordings that are over, as they are sent; see headend.record.kept_listing.
RECORDED_LISTINGS: Final = sa.Table(
    "recorded_listings",
    METADATA,
    sa.Column("recording_id", sa.String(36), primary_key=True),
    sa.Column("packed", sa.LargeBinary, nullable=False),
    sa.Column("about", sa.Text, nullable=False),
)

# Publishers whose media is in a recording, for those who ask what is kept about them.
RECORDED_PUBLISHERS: Final = sa.Table(
    "recorded_publishers",
    METADATA,
    sa.Column("recording_id", sa.String(36), primary_key=True),
    sa.Column("session", sa.String(36), primary_key=True),  # id of the publish, in the history
    sa.Column("address", sa.String(64), index=True),
    sa.Column("subject", sa.String(200), index=True),  # id of a key, or who a token was made for
)


def insert(connection: DatabaseConnection, table: sa.Table) -> "postgresql.Insert | sqlite.Insert":
    """Return an insert that can say what becomes of rows that are there, as two dialects can."""
    if connection.dialect.name != "postgresql":
        return sqlite.insert(table)
    # Not loaded by a server with SQLite: 2 MiB.
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)
