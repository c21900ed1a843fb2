"""Files of recordings in object storage, and clips."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("kind", sa.String(length=16), server_default="recording", nullable=False)
        )
        batch_op.add_column(sa.Column("origin", sa.String(length=36), nullable=True))
        batch_op.add_column(sa.Column("stored", sa.Integer(), server_default="0", nullable=False))
    with op.batch_alter_table("recorded_files", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("store", sa.String(length=1024), server_default="", nullable=False)
        )
        batch_op.add_column(sa.Column("size", sa.BigInteger(), nullable=True))
        batch_op.add_column(
            sa.Column("is_local", sa.Boolean(), server_default=sa.true(), nullable=False)
        )
        waiting = sa.text("store = ''")
        batch_op.create_index(
            "ix_recorded_files_waiting",
            ["recording_id"],
            unique=False,
            sqlite_where=waiting,
            postgresql_where=waiting,
        )
    op.create_table(
        "deleted_objects",
        sa.Column("store", sa.String(length=1024), nullable=False),
        sa.Column("key", sa.String(length=1300), nullable=False),
        sa.Column("node", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("store", "key", name=op.f("pk_deleted_objects")),
    )
    with op.batch_alter_table("deleted_objects", schema=None) as batch_op:
        batch_op.create_index("ix_deleted_objects_node", ["node"], unique=False)


def downgrade() -> None:
    op.drop_table("deleted_objects")
    with op.batch_alter_table("recorded_files", schema=None) as batch_op:
        batch_op.drop_index("ix_recorded_files_waiting")
        for name in ("store", "size", "is_local"):
            batch_op.drop_column(name)
    with op.batch_alter_table("recordings", schema=None) as batch_op:
        for name in ("kind", "origin", "stored"):
            batch_op.drop_column(name)
