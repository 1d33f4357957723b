"""Errors of alarms and their store: what a caller can do about each is in its type."""

from uuid import UUID

from alerting.alarm import AlarmState


class AlarmNotFoundError(LookupError):
    """No alarm has this id."""

    def __init__(self, alarm_id: UUID) -> None:
        super().__init__(f"no alarm {alarm_id}")
        self.alarm_id = alarm_id


class AlreadyEndedError(Exception):
    """The alarm is over in another way than asked for; nothing was changed."""

    def __init__(self, alarm_id: UUID, state: AlarmState) -> None:
        super().__init__(f"alarm {alarm_id} is over: {state.value}")
        self.alarm_id = alarm_id
        self.state = state


class StoreUnavailableError(Exception):
    """The database did not do it now; trying again later is right. The cause is kept."""
