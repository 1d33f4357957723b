"""Version the detectors' parameters: append-only tables, and the version in batch and transition.

Lifts that had parameters, a model or a rated speed before get version 1, and what is stored counts
as judged by it, so that a recovery across this revision repeats it as it was.
"""

from typing import Final

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES: Final = (
    """
    CREATE TABLE parameter_versions (
        id int PRIMARY KEY,
        at timestamptz NOT NULL,
        actor text NOT NULL,
        reason text NOT NULL DEFAULT ''
    )""",
    """
    CREATE TABLE parameter_changes (
        version int NOT NULL REFERENCES parameter_versions (id),
        scope text NOT NULL CHECK (scope IN ('installation', 'fleet', 'model', 'lift')),
        subject text NOT NULL,
        elevator_id bigint REFERENCES elevators (id),
        before jsonb NOT NULL,
        after jsonb NOT NULL,
        PRIMARY KEY (version, scope, subject),
        CHECK ((scope = 'lift') = (elevator_id IS NOT NULL))
    )""",
    "CREATE INDEX parameter_changes_subject_idx ON parameter_changes (scope, subject, version)",
    """
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON parameter_versions
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    """
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON parameter_changes
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()""",
    "ALTER TABLE batches ADD COLUMN parameters int NOT NULL DEFAULT 0",
    "ALTER TABLE transitions ADD COLUMN parameters int NOT NULL DEFAULT 0",
)

REGISTERED: Final = (
    """
    INSERT INTO parameter_versions (id, at, actor, reason)
    SELECT 1, now(), 'migration', 'what the registry held'
    WHERE EXISTS (SELECT FROM elevators
                  WHERE params <> '{}' OR model IS NOT NULL OR rated_speed_mps IS NOT NULL)""",
    """
    INSERT INTO parameter_changes (version, scope, subject, elevator_id, before, after)
    SELECT 1, 'lift', code, id, '{"model": null, "rated_speed_mps": null, "params": {}}',
           jsonb_build_object('model', model, 'rated_speed_mps', rated_speed_mps, 'params', params)
    FROM elevators WHERE params <> '{}' OR model IS NOT NULL OR rated_speed_mps IS NOT NULL""",
    """
    UPDATE transitions t SET parameters = 1
    FROM parameter_changes c WHERE c.elevator_id = t.elevator_id""",
    "UPDATE batches SET parameters = 1 WHERE EXISTS (SELECT FROM parameter_versions)",
)
"""The old state as version 1."""


def upgrade() -> None:
    """Create the tables and take over what is registered."""
    for statement in (*TABLES, *REGISTERED):
        op.execute(statement)


def downgrade() -> None:
    """Drop the versions; the registry keeps what is in force for each lift."""
    op.execute("ALTER TABLE transitions DROP COLUMN parameters")
    op.execute("ALTER TABLE batches DROP COLUMN parameters")
    op.execute("DROP TABLE parameter_changes")
    op.execute("DROP TABLE parameter_versions")
