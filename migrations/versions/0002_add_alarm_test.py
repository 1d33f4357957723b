"""Add the column by which a frame tells that the alarm is being tested (EN 81-28).

The column is nullable and has no default, so neither a compressed chunk nor a row is rewritten.
What the column table holds and the first revision lacks is added here, never there.

Revision 0002.
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; frames from before do not tell it."""
    op.execute("ALTER TABLE frames ADD COLUMN alarm_test smallint")


def downgrade() -> None:
    """Drop the column and what it told."""
    op.execute("ALTER TABLE frames DROP COLUMN alarm_test")
