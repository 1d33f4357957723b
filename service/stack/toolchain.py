"""Know where PostgreSQL and Mosquitto are, and run their programs as the right user.

Two kinds: programs of the system itself, and those in the private root file system, which run
through ``chroot``. Paths have two spellings then, seen from outside and from inside;
`Toolchain.inside` translates.
"""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from service.stack.rootfs import MOSQUITTO_UID, POSTGRES_UID, StackError


@dataclass(frozen=True)
class Account:
    """The user that a server runs as; None in `Toolchain` means the present one."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Toolchain:
    """The two servers' programs, their accounts and the place for their instances."""

    origin: str
    postgres_bin: Path
    mosquitto: Path
    instances: Path
    chroot: Path | None = None
    postgres_account: Account | None = None
    mosquitto_account: Account | None = None

    def inside(self, path: Path) -> str:
        """Return how a program of this toolchain sees a path of the host."""
        return str(path) if self.chroot is None else "/" + str(path.relative_to(self.chroot))

    def run(self, command: list[str], account: Account | None, stdin: str | None = None) -> str:
        """Run one program to its end and return what it printed."""
        if self.chroot is not None:
            user = [] if account is None else [f"--userspec=+{account.uid}:+{account.gid}"]
            command = ["chroot", *user, str(self.chroot), *command]
            account = None
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            errors="replace",
            cwd="/",
            env=environment(),
            check=False,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )
        if done.returncode != 0:
            raise StackError(f"{' '.join(command)} failed: {(done.stderr or done.stdout)[-800:]}")
        return done.stdout

    def give(self, path: Path, account: Account | None) -> None:
        """Make the account the owner of one file or directory."""
        if account is not None:
            os.chown(path, account.uid, account.gid)


def environment() -> dict[str, str]:
    """Return the servers' environment: nothing of the caller's may change how they run."""
    return {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def in_rootfs(rootfs: Path) -> Toolchain:
    """Return the toolchain of the private root file system."""
    postgres = sorted(rootfs.glob("usr/lib/postgresql/*/bin/postgres"))[-1]
    return Toolchain(
        origin="private root file system",
        postgres_bin=Path("/") / postgres.parent.relative_to(rootfs),
        mosquitto=Path("/usr/sbin/mosquitto"),
        instances=rootfs / "srv",
        chroot=rootfs,
        postgres_account=Account(POSTGRES_UID, POSTGRES_UID),
        mosquitto_account=Account(MOSQUITTO_UID, MOSQUITTO_UID),
    )


def installed(directory: Path) -> Toolchain | None:
    """Return the toolchain of the system itself if it has TimescaleDB and Mosquitto."""
    mosquitto = shutil.which("mosquitto", path=_search_path())
    postgres_bin = _timescale_bin()
    if mosquitto is None or postgres_bin is None:
        return None
    if os.geteuid() != 0:
        return Toolchain("installed", postgres_bin, Path(mosquitto), directory / "run")
    postgres_account = _account("postgres")
    if postgres_account is None:
        return None
    return Toolchain(
        origin="installed",
        postgres_bin=postgres_bin,
        mosquitto=Path(mosquitto),
        # PostgreSQL's user cannot walk through root's home, where the checkout may be.
        instances=Path("/var/tmp/hoistway-stack"),  # noqa: S108 - made with mode 711, owner root
        postgres_account=postgres_account,
        mosquitto_account=_account("mosquitto") or _account("nobody"),
    )


def _search_path() -> str:
    return os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


def _account(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_uid, entry.pw_gid)


def _timescale_bin() -> Path | None:
    """Return the newest PostgreSQL whose extension directory holds TimescaleDB."""
    candidates = [p.parent for p in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    candidates.sort(key=lambda p: int(p.parent.name) if p.parent.name.isdigit() else 0)
    on_path = shutil.which("postgres", path=_search_path())
    if on_path is not None:
        candidates.append(Path(on_path).resolve().parent)
    for bin_dir in reversed(candidates):
        if (bin_dir / "initdb").exists() and _has_extension(bin_dir):
            return bin_dir
    return None


def _has_extension(bin_dir: Path) -> bool:
    config = bin_dir / "pg_config"
    program = str(config) if config.exists() else None
    shares = [bin_dir.parent / "share", bin_dir.parent / "share/postgresql"]
    shares.append(Path("/usr/share/postgresql") / bin_dir.parent.name)
    if program is not None:
        done = subprocess.run([program, "--sharedir"], capture_output=True, text=True, check=False)
        shares.insert(0, Path(done.stdout.strip() or "/nonexistent"))
    return any((share / "extension/timescaledb.control").exists() for share in shares)
