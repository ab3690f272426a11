"""What an adapter version passed its gate by."""

import sqlalchemy as sa
from alembic import op

from engines.catalogue.tables import Moment

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("adapters", sa.Column("gated_at", Moment(), nullable=True))
    op.add_column("adapters", sa.Column("verdict", sa.JSON(), nullable=True))
    op.add_column("adapters", sa.Column("verdict_digest", sa.String(length=64), nullable=True))
