"""Draws the pictures of docs/simulation.md: a trip, a day's traffic, mass events, sensors.

    python -m bench plots [--only trip,day,mass] [--into docs/images] [--lifts 400]
    python -m bench plots --rides FOLDER    # traces of real lifts beside the sensor model

Needs matplotlib: pip install 'hoistway[simulation]'. The same seed draws the same lines.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from simulator.faults.mass import Earthquake, PowerCut, Rescue
from simulator.fleet import Fleet, FleetSpec
from simulator.frames import MISSING, Frames
from simulator.geography import City
from simulator.recordings.measured import measure, simulated
from simulator.recordings.traces import Trace, TraceError, read_trace
from simulator.terminals.timeline import Cadence
from simulator.world import motion
from simulator.world.buildings import Building, Mix
from telemetry.findings import FINDINGS

MIDNIGHT_US = 1_774_281_600_000_000
"""A Tuesday's midnight at UTC+8, 24 March 2026."""
HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000
SEED = 1
COLOURS = ("#1f5fa8", "#c4511f", "#2f7d4f", "#7a4fa0", "#8a8a2a", "#4a4a4a")


def figure(width: float, height: float, rows: int, columns: int, **given):
    """Return a figure and its axes; no window, no global state."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    rcParams["svg.hashsalt"] = "hoistway"  # equal lines, equal file
    rcParams["svg.fonttype"] = "none"
    made = Figure((width, height), layout="constrained")
    return made, made.subplots(rows, columns, squeeze=False, **given)


def only(kind: Building, **given: int) -> Mix:
    """Return a mix of one kind of building, all terminals coupled to the controller."""
    kinds = {b.name.lower(): int(b is kind) for b in Building}
    return Mix(**kinds, retrofit=0, barometric=0, **given)


# --- a trip -------------------------------------------------------------------------------------


def longest_trip(kind: Building) -> tuple[Fleet, Frames]:
    """Return a fleet of one lift, and its frames of the longest trip of an hour."""
    spec = FleetSpec(MIDNIGHT_US + 9 * HOUR_US, 1, mix=only(kind), rate_pct=200)
    fleet = Fleet(spec, SEED)
    frames = fleet.frames_until(spec.start_us + HOUR_US)
    runs = frames["car"] == 1
    starts = np.flatnonzero(np.diff(np.r_[0, runs.astype(int)]) == 1)
    ends = np.flatnonzero(np.diff(np.r_[runs.astype(int), 0]) == -1)
    longest = int(np.argmax(ends - starts))
    return fleet, frames.take(slice(starts[longest], ends[longest] + 2))


def draw_trip(_lifts: int):
    """A trip of a housing and of an office lift: closed form, and the frames sampled from it."""
    made, axes = figure(9, 8, 4, 2, sharex="col")
    for column, kind in enumerate((Building.HOUSING, Building.OFFICE)):
        fleet, frames = longest_trip(kind)
        plan = fleet.plan
        height_m = frames["height_m"] / 1000
        way_m = height_m[-1] - height_m[0]
        trip = motion.plan(np.abs([way_m]), plan.rated_mps, plan.acceleration_mps2, plan.jerk_mps3)
        t_s = np.linspace(0, float(trip.duration_s[0]), 400)
        whole = motion.Trips(
            *(np.full(len(t_s), getattr(trip, n)[0]) for n in motion.Trips.__slots__)
        )
        way, speed, acceleration = motion.sample(whole, t_s)
        sign = np.sign(way_m)
        curves = (
            height_m[0] + sign * way, speed, sign * acceleration,
            sign * np.gradient(acceleration, t_s),
        )  # fmt: skip
        at_s = (frames["time_us"] - frames["time_us"][0]) / 1e6
        told = (height_m, frames["speed_mps"] / 1000, frames["acceleration_mps2"] / 1000, None)
        names = ("height [m]", "speed [m/s]", "acceleration [m/s²]", "jerk [m/s³]")
        for row, (curve, dots, name) in enumerate(zip(curves, told, names, strict=True)):
            axis = axes[row][column]
            axis.plot(t_s, curve, color=COLOURS[column], linewidth=1.2)
            if dots is not None:
                inside = (dots * 1000).astype(int) != MISSING
                axis.plot(at_s[inside], dots[inside], ".", color="black", markersize=4)
            axis.set_ylabel(name if column == 0 else "")
            axis.grid(alpha=0.3)
        axes[0][column].set_title(
            f"{kind.name.lower()}, {plan.rated_mps[0]:g} m/s: {abs(way_m):.1f} m"
        )
        axes[3][column].set_xlabel("seconds since departure (dots: frames)")
    return made


# --- a day --------------------------------------------------------------------------------------


def draw_day(lifts: int):
    """Runs and people of an hour and lift through a weekday, by kind of building."""
    made, axes = figure(9, 6, 2, 1, sharex=True)
    for number, kind in enumerate(Building):
        spec = FleetSpec(
            MIDNIGHT_US, max(lifts // 50, 8), mix=only(kind), cadence=Cadence(5_000_000, 60_000_000)
        )
        fleet = Fleet(spec, SEED)
        runs, people = [], [0]
        for hour in range(24):
            frames = fleet.frames_until(MIDNIGHT_US + (hour + 1) * HOUR_US)
            runs.append(_starts(frames) / spec.n_lifts)
            people.append(fleet.people()["arrived"])
        name, colour = kind.name.lower(), COLOURS[number % len(COLOURS)]
        axes[0][0].stairs(runs, range(25), label=name, color=colour)
        axes[1][0].stairs(np.diff(people) / spec.n_lifts, range(25), color=colour)
    axes[0][0].set_ylabel("runs per lift and hour")
    axes[1][0].set_ylabel("people per lift and hour")
    axes[1][0].set_xlabel("hour of a Tuesday")
    axes[1][0].set_xticks(range(0, 25, 2))
    axes[0][0].legend(ncols=3, frameon=False)
    for (axis,) in axes:
        axis.grid(alpha=0.3)
        axis.set_ylim(bottom=0)
    return made


def _starts(frames: Frames) -> int:
    """Return how often cars began to run."""
    order = np.lexsort((frames["time_us"], frames["lift"]))
    lift, runs = frames["lift"][order], frames["car"][order] == 1
    return int((runs[1:] & ~runs[:-1] & (lift[1:] == lift[:-1])).sum())


# --- mass events --------------------------------------------------------------------------------


def draw_mass(lifts: int):
    """Lifts out of service, and lifts with people trapped, through two mass events."""
    city = City(("Wuchang", "Hankou"), 6)
    at_us = MIDNIGHT_US + 8 * HOUR_US + 10 * MINUTE_US
    teams = max(lifts // 400, 1)
    cases = (
        ("power cut of Wuchang, 08:10", 3, PowerCut(
            at_us, "Wuchang", minutes=(25, 35), step_minutes=(5, 12), rescue=Rescue(teams, 50))),
        ("earthquake, intensity 6 and 5, 08:10", 12, Earthquake(
            at_us, {"Wuchang": 6, "Hankou": 5}, mechanics=max(lifts // 100, 1),
            rescue=Rescue(teams, 10))),
    )  # fmt: skip
    made, axes = figure(9, 6, 2, len(cases), sharex="col")
    for column, (title, hours, event) in enumerate(cases):
        spec = FleetSpec(
            at_us - 10 * MINUTE_US, lifts, city=city, cadence=Cadence(10_000_000, 60_000_000)
        )
        fleet = Fleet(replace(spec, mass_events=(event,)), SEED)
        end_us = spec.start_us + hours * HOUR_US
        for t_us in range(spec.start_us + 10 * MINUTE_US, end_us + 1, 10 * MINUTE_US):
            fleet.frames_until(t_us)
        t_us = np.arange(spec.start_us, end_us, MINUTE_US // 6)
        out = [(f.at_us, f.at_us + f.lasts_us) for f in fleet.script]
        trapped = [
            (e.onset_us, e.end_us or end_us)
            for e in fleet.truth() if FINDINGS[e.kind].family == "entrapment"
        ]  # fmt: skip
        for row, (intervals, name) in enumerate(
            ((out, "lifts out of service"), (trapped, "lifts with people trapped"))
        ):
            axis = axes[row][column]
            axis.step((t_us - at_us) / MINUTE_US, _active(intervals, t_us),
                      where="post", color=COLOURS[row])  # fmt: skip
            axis.set_ylabel(name if column == 0 else "")
            axis.set_ylim(bottom=0)
            axis.grid(alpha=0.3)
        axes[0][column].set_title(f"{lifts} lifts, {title}", fontsize=10)
        axes[1][column].set_xlabel("minutes since the event")
    return made


def _active(intervals: list[tuple[int, int]], t_us: np.ndarray) -> np.ndarray:
    """Return how many intervals hold each instant."""
    begins = np.sort([a for a, _ in intervals])
    ends = np.sort([b for _, b in intervals])
    return np.searchsorted(begins, t_us, "right") - np.searchsorted(ends, t_us, "right")


# --- sensors ------------------------------------------------------------------------------------


def draw_sensors(trace: Trace):
    """The first trip of a real lift as a phone measured it, and as the sensor model does."""
    measured = measure(trace)
    model = simulated(trace, measured.trips)
    trip = measured.trips[0]
    made, axes = figure(9, 6, 2, 1, sharex=True)
    (pull,), (height,) = axes
    for shown, name, colour, width in (
        (trace, "measured", COLOURS[0], 1.2), (model, "sensor model", COLOURS[1], 0.8),
    ):  # fmt: skip
        own = np.abs(shown.acceleration_s - (trip.start_s + trip.end_s) / 2) < 24
        pull.plot(shown.acceleration_s[own], shown.acceleration_mps2[own], color=colour,
                  linewidth=width, label=name)  # fmt: skip
        own = np.abs(shown.pressure_s - (trip.start_s + trip.end_s) / 2) < 24
        height.plot(shown.pressure_s[own], shown.pressure_hpa[own], ".-", color=colour,
                    linewidth=width, markersize=4)  # fmt: skip
    pull.set_title(
        f"{trip.distance_m:.0f} m at {trip.speed_mps:.2f} m/s, {trip.acceleration_mps2:.2f} m/s²,"
        f" {trip.jerk_mps3:.2f} m/s³: correlation {trip.agreement:.2f}", fontsize=10,
    )  # fmt: skip
    pull.set_ylabel("acceleration without gravity [m/s²]")
    pull.legend(frameon=False)
    height.set_ylabel("pressure [hPa]")
    height.set_xlabel("seconds of the recording")
    for (axis,) in axes:
        axis.grid(alpha=0.3)
    return made


def write_sensors(rides: Path, into: Path) -> Path:
    """Draw the second trace in a folder of recordings, print what each says; return the file."""
    traces = [
        read_trace(path, path.with_name(path.name.replace("acceleration", "pressure")))
        for path in sorted(rides.glob("trace-*-acceleration.csv"))
    ]
    if not traces:
        raise TraceError(f"{rides}: holds no trace-N-acceleration.csv; give a folder with traces")
    for number, trace in enumerate(traces):
        found = measure(trace)
        for name, own in (("measured", found), ("model", measure(simulated(trace, found.trips)))):
            print(f"trace {number}, {name}: {own.line}")
    into.mkdir(parents=True, exist_ok=True)
    path = into / "sensors.png"
    draw_sensors(traces[-1]).savefig(path, dpi=80, metadata={"Software": None})
    print(f"{path} ({path.stat().st_size / 1024:.0f} KB)")
    return path


PLOTS: dict[str, Callable[[int], object]] = {
    "trip": draw_trip,
    "day": draw_day,
    "mass": draw_mass,
}


def write(names: list[str], into: Path, lifts: int) -> list[Path]:
    """Draw ``names`` into a folder; return the files."""
    into.mkdir(parents=True, exist_ok=True)
    written = []
    for name in names:
        path = into / f"{name}.svg"
        PLOTS[name](lifts).savefig(path, metadata={"Date": None})
        written.append(path)
        print(f"{path} ({path.stat().st_size / 1024:.0f} KB)")
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PLOTS), help="names, separated by commas")
    parser.add_argument("--into", type=Path, default=Path("docs/images"))
    parser.add_argument("--lifts", type=int, default=2_000, help="size of the mass events")
    parser.add_argument("--rides", type=Path, help="folder of traces: draw only sensors.png")
    given = parser.parse_args()
    names = [name for name in given.only.split(",") if name]
    unknown = [name for name in names if name not in PLOTS]
    if unknown:
        parser.error(f"no plot {', '.join(unknown)}; there are {', '.join(PLOTS)}")
    if find_spec("matplotlib") is None:
        parser.error("plots need matplotlib: pip install 'hoistway[simulation]'")
    if given.rides is None:
        write(names, given.into, given.lifts)
        return
    try:
        write_sensors(given.rides, given.into)
    except TraceError as error:
        parser.error(f"--rides: {error}")


if __name__ == "__main__":
    main()
