"""Recordings, their files, segments and publishers."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recordings",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("node", sa.String(length=32), nullable=False),
        sa.Column("stream", sa.String(length=1024), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("started", sa.Float(), nullable=False),
        sa.Column("ended", sa.Float(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.Integer(), nullable=False),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("is_torn", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recordings")),
    )
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        for name, columns in (
            ("ix_recordings_started", ["node", "started", "id", "ended", "stream"]),
            ("ix_recordings_stream", ["node", "stream", "started", "id", "ended"]),
            ("ix_recordings_ended", ["node", "ended", "bytes"]),
        ):
            batch_op.create_index(name, columns, unique=False)

    op.create_table(
        "recorded_files",
        sa.Column("recording_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("path", sa.String(length=1200), nullable=False),
        sa.Column("init_size", sa.Integer(), nullable=False),
        sa.Column("discontinuity", sa.Boolean(), nullable=False),
        sa.Column("codecs", sa.String(length=200), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("recording_id", "number", name=op.f("pk_recorded_files")),
    )
    op.create_table(
        "recorded_segments",
        sa.Column("recording_id", sa.String(length=36), nullable=False),
        sa.Column("file", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("start_s", sa.Float(), nullable=False),
        sa.Column("duration_s", sa.Float(), nullable=False),
        sa.Column("date", sa.Float(), nullable=False),
        sa.Column("is_keyframe", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint(
            "recording_id", "file", "offset", name=op.f("pk_recorded_segments")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "recorded_publishers",
        sa.Column("recording_id", sa.String(length=36), nullable=False),
        sa.Column("session", sa.String(length=36), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=True),
        sa.Column("subject", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("recording_id", "session", name=op.f("pk_recorded_publishers")),
    )
    with op.batch_alter_table("recorded_publishers", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_recorded_publishers_address"), ["address"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_recorded_publishers_subject"), ["subject"], unique=False
        )


def downgrade() -> None:
    for table in ("recorded_publishers", "recorded_segments", "recorded_files", "recordings"):
        op.drop_table(table)
