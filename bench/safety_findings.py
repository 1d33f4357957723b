"""A scenario of safety faults, each many times, on coupled lifts that have nothing else.

    python -m bench safety_findings > safety.toml
    hoistway score safety.toml

720 lifts through a Tuesday, their connections as in the field: from five in the afternoon on, when
their landings have been learned, each has one fault of its motion. What the rules find of those
when no sensor fails meanwhile; the city, in which everything fails at once, tells the rest.
"""

CAUSES = (
    *("over_travel_top", "over_travel_bottom", "overspeed"),
    *("doors_open_running", "unintended_movement", "safety_circuit"),
)
EACH = 120
FIRST_MIN = 17 * 60

HEAD = f"""\
title = "Safety faults of lifts that have nothing else"
starts = "2026-03-24T00:00:00+08:00"
lasts = "24 h"
other_alarms = "allowed"

[fleet]
lifts = {EACH * len(CAUSES)}
terminal = "coupled"

[network]
like = "field"
"""


def main() -> None:
    print(HEAD)
    for lift in range(EACH * len(CAUSES)):
        print("[[happens]]")
        print(f'at = "{FIRST_MIN + lift % 240} min"')
        print(f"lift = {lift + 1}")
        print(f'what = "{CAUSES[lift % len(CAUSES)]}"\n')


if __name__ == "__main__":
    main()
