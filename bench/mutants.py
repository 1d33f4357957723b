"""Mutation testing of the detectors: does any test notice that a rule was changed?

    python -m bench mutants [MODULE ...] [--sample 8] [--seed 1] [--out mutants.jsonl]

What is changed is told in ``_mutations``, what judges it in ``_trials``. Each mutant's fate is
appended to ``--out``, and mutants whose fate stands there already are not tried again, so a run may
be interrupted, extended by a larger sample, or told again (``--tell``). A survivor is a missing
test or a change that nothing can show: those of the latter sort stand in ``equal_mutants.toml``,
each with its reason, and do not count. On demand, never in CI; one mutant at a time.
"""

import argparse
import ast
import json
import random
import tomllib
from collections import Counter
from pathlib import Path

from bench._mutations import RULES, Mutant, changed, file_of, mutants_of
from bench._trials import Plan, Stages, fit, outcome_of, plans, warm

EQUAL = Path(__file__).with_name("equal_mutants.toml")
KILLED_BY = ("oracle", "story", "battery", "broken", "timeout")


def line_of(mutant: Mutant) -> str:
    """Return the changed line as it stands in the module."""
    lines = file_of(mutant.module).read_text("utf-8").splitlines()
    return lines[mutant.line - 1].strip()


def key_of(mutant: Mutant) -> str:
    """Return the name of a mutant: stays the same while its module does."""
    return f"{mutant.module}:{mutant.node}:{mutant.variant}:{mutant.what}:{line_of(mutant)}"


def equal_ones() -> dict[tuple[str, str, str], str]:
    """Return mutants that nothing can tell apart, by module, line and change.

    With what the line becomes, if it has two such changes and only one is no change.
    """
    told = tomllib.loads(EQUAL.read_text("utf-8")) if EQUAL.exists() else {}
    return {
        (module, entry["line"], change): entry.get("becomes", "")
        for module, entries in told.items()
        for entry in entries
        for change in entry["changes"]
    }


def drawn(module: str, sample: int, seed: int) -> list[Mutant]:
    """Return the mutants to try; a larger sample of one seed holds the smaller one."""
    everything = [m for m in mutants_of(module) if not is_equal(m)]
    random.Random(f"{seed} {module}").shuffle(everything)
    return everything[: sample or None]


def is_equal(mutant: Mutant) -> bool:
    """Tell whether a mutant is known to be no change."""
    becomes = equal_ones().get((mutant.module, line_of(mutant), mutant.what))
    return becomes is not None and becomes in ast.unparse(changed(mutant))


def known_fates(out: Path | None) -> dict[str, str]:
    """Return what became of mutants in earlier runs."""
    if out is None or not out.exists():
        return {}
    lines = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    return {line["mutant"]: line["fate"] for line in lines}


def tried(plan: Plan, chosen: list[Mutant], fates: dict[str, str], given) -> None:
    """Try what has no fate yet; if wanted, first the module as it is, which nothing may fail.

    The oracles decide most, so stories are fitted only when one is left open.
    """
    again = {None, *(("survived",) if given.again else ()), *(() if given.quick else ("open",))}
    left = [m for m in chosen if fates.get(key_of(m)) in again]
    if given.check and left and (unchanged := outcome_of(fit(plan), None, 3600)) != "survived":
        raise SystemExit(f"{plan.module}: unchanged it fails: {unchanged}; {plan}")
    for mutant in left:
        if fates.get(key_of(mutant)) != "open":
            note(mutant, outcome_of(plan, mutant, given.timeout, Stages.QUICK), fates, given.out)
    left = [] if given.quick else [m for m in left if fates[key_of(m)] == "open"]
    plan = fit(plan) if left else plan
    for mutant in left:
        note(mutant, outcome_of(plan, mutant, given.timeout, Stages.REST), fates, given.out)


def note(mutant: Mutant, fate: str, fates: dict[str, str], out: Path | None) -> None:
    """Keep a fate, also on the disk."""
    fates[key_of(mutant)] = fate
    if out:
        with out.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"mutant": key_of(mutant), "fate": fate}) + "\n")


def told(module: str, chosen: list[Mutant], fates: dict[str, str]) -> tuple[int, int]:
    """Print a module's line and survivors; return how many were tried and killed.

    What was judged quickly and is open counts as tried, so that the share is never flattered.
    """
    every = mutants_of(module)
    equal = sum(is_equal(m) for m in every)
    had = [m for m in chosen if key_of(m) in fates]
    how = Counter(fates[key_of(m)] for m in had)
    killed = len(had) - how["survived"] - how["open"]
    counts = f"{module:22s} {len(every):7d} {equal:5d} {len(had):5d} {killed:6d} {how['open']:4d}"
    by_what = " ".join(f"{how[by]:7d}" for by in KILLED_BY)
    print(f"{counts} {share(killed, len(had)):>7s} {by_what}", flush=True)
    for m in had:
        if fates[key_of(m)] == "survived":
            print(f"  survived: {m.module}.py:{m.line}: {m.what}: {line_of(m)}", flush=True)
    return len(had), killed


def share(part: int, whole: int) -> str:
    """Return a share in percent."""
    return f"{part / whole:.1%}" if whole else "-"


def main() -> None:
    modules = sorted(p.stem for p in RULES.rglob("[!_]*.py") if mutants_of(p.stem))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="of detectors/; default all")
    parser.add_argument("--sample", type=int, default=0, help="at most so many of each module")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--timeout", type=int, default=120, help="processor seconds of a mutant")
    parser.add_argument("--out", type=Path, help="file of fates, read and appended to")
    parser.add_argument(
        "--quick", action="store_true", help="likeliest tests only; leave rest open"
    )
    parser.add_argument("--check", action="store_true", help="try each module unchanged as well")
    parser.add_argument("--again", action="store_true", help="try again what survived")
    parser.add_argument("--tell", action="store_true", help="try nothing, tell what --out holds")
    given = parser.parse_args()
    unknown = set(given.modules) - set(modules)
    if unknown:
        parser.error(f"no module {', '.join(sorted(unknown))}; there are {', '.join(modules)}")
    given.out = given.out and given.out.resolve()
    warm()
    fates = known_fates(given.out)
    print(
        f"{'module':22s} mutants equal tried killed open   share "
        + " ".join(f"{k:>7s}" for k in KILLED_BY)
    )
    tried_all = killed_all = 0
    for plan in plans(given.modules or modules):
        chosen = drawn(plan.module, given.sample, given.seed)
        if not given.tell:
            tried(plan, chosen, fates, given)
        n, killed = told(plan.module, chosen, fates)
        tried_all, killed_all = tried_all + n, killed_all + killed
    print(f"{'all':36s} {tried_all:5d} {killed_all:6d} {'':4s} {share(killed_all, tried_all):>7s}")


if __name__ == "__main__":
    main()
