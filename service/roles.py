"""Who may do what: the one table of roles and routes.

A route that is not in the table cannot be served (``make_app`` refuses to start), so nothing is
ever open by having been forgotten.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID


class Role(StrEnum):
    """What a key is for."""

    GATEWAY = "gateway"
    """Posts frames under the key's name; reads nothing."""
    DISPATCHER = "dispatcher"
    """Reads lifts and alarms, accepts and closes cases."""
    ENGINEER = "engineer"
    """Reads everything, changes nothing."""
    ADMIN = "admin"
    """All but posting frames: a gateway's name comes from a gateway's key."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling: the key's id, name and role."""

    id: UUID
    name: str
    role: Role


_READERS: Final = frozenset({Role.DISPATCHER, Role.ENGINEER, Role.ADMIN})
_CASES: Final = frozenset({Role.DISPATCHER, Role.ADMIN})
_TECHNICAL: Final = frozenset({Role.ENGINEER, Role.ADMIN})
_ADMIN: Final = frozenset({Role.ADMIN})

OPEN: Final = frozenset({"healthz", "readyz", "metrics", "openapi"})
"""Routes without a key: they say nothing about lifts or people."""

ALLOWED: Final = MappingProxyType(
    {
        "post_frames": frozenset({Role.GATEWAY}),
        "list_alarms": _READERS,
        "get_alarm": _READERS,
        "accept_alarm": _CASES,
        "release_alarm": _CASES,
        "false_alarm": _CASES,
        "list_elevators": _READERS,
        "get_elevator": _READERS,
        "put_elevator": _ADMIN,
        "patch_elevator": _ADMIN,
        "get_elevator_parameters": _READERS,
        "patch_elevator_parameters": _ADMIN,
        "get_parameters": _READERS,
        "patch_parameters": _ADMIN,
        "get_model_parameters": _READERS,
        "patch_model_parameters": _ADMIN,
        "list_parameter_versions": _READERS,
        "get_parameter_version": _READERS,
        "get_shadow": _TECHNICAL,
        "put_shadow": _ADMIN,
        "delete_shadow": _ADMIN,
        "list_shadow_runs": _TECHNICAL,
        "list_shadow_transitions": _TECHNICAL,
        "list_shadow_differences": _TECHNICAL,
        "list_frames": _READERS,
        "list_gateways": _TECHNICAL,
        "list_dead_letters": _TECHNICAL,
        "get_dead_letter": _TECHNICAL,
        "replay_dead_letter": _ADMIN,
    }
)
"""Roles per route name. Everything else needs no key (``OPEN``) or does not exist."""
