"""Make old findings of shadows and old attempts of delivery findable, and name their parameters.

Both tables grow for ever unless the service forgets what is old; the indexes let it, and let the
API read a shadow's findings by time.

Revision 0005.
"""

from typing import Final

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STATEMENTS: Final = (
    "ALTER TABLE shadow_transitions ADD COLUMN parameters int NOT NULL DEFAULT 0",
    "CREATE INDEX shadow_transitions_time_idx ON shadow_transitions (time)",
    "CREATE INDEX delivery_attempts_started_at_idx ON delivery_attempts (started_at)",
)


def upgrade() -> None:
    """Add column and indexes."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Take them away."""
    op.execute("DROP INDEX delivery_attempts_started_at_idx")
    op.execute("DROP INDEX shadow_transitions_time_idx")
    op.execute("ALTER TABLE shadow_transitions DROP COLUMN parameters")
