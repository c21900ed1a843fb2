"""Playlists of long recordings, as they are sent."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recorded_listings",
        sa.Column("recording_id", sa.String(length=36), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("recording_id", name=op.f("pk_recorded_listings")),
    )


def downgrade() -> None:
    op.drop_table("recorded_listings")
