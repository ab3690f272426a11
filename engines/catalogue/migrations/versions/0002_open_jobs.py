"""Indexes for what is asked of a long list of jobs: which one is next, and which are the newest."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_OPEN = sa.text("state IN ('queued', 'running')")


def upgrade() -> None:
    op.create_index("ix_jobs_open", "jobs", ["created_at", "id"], unique=False, postgresql_where=_OPEN, sqlite_where=_OPEN)
    op.create_index("ix_jobs_created_at", "jobs", ["created_at"], unique=False)
    op.create_index("ix_jobs_principal_created_at", "jobs", ["principal", "created_at"], unique=False)
    op.drop_index("ix_jobs_state_created_at", "jobs")
