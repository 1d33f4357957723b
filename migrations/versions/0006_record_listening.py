"""Record with each batch since when the service had listened: the clock of silence (ADR 0011).

Batches of before count as if nobody had listened: no silence was told of then, and a recovery
across this revision repeats them as they were.
"""

from typing import Final

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NEVER_US: Final = 2**62


def upgrade() -> None:
    """Add the column."""
    op.execute(
        f"ALTER TABLE batches ADD COLUMN listening_since_us bigint NOT NULL DEFAULT {NEVER_US}"
    )
    op.execute("ALTER TABLE batches ALTER COLUMN listening_since_us DROP DEFAULT")


def downgrade() -> None:
    """Drop the column."""
    op.execute("ALTER TABLE batches DROP COLUMN listening_since_us")
