"""Make the private root file system that TimescaleDB and Mosquitto run in.

apt of the host resolves and downloads Debian 13 packages with its own mirror, keys and proxy but
with private state, and ``dpkg-deb`` unpacks them. No package script runs and nothing is mounted:
the two servers need files, two accounts and four device nodes, and what was never mounted or
started cannot be left behind. The host's package lists, caches and database are not touched.

Built under a temporary name and renamed when it has proved that both servers start, under a lock:
an interrupted run leaves a directory that the next one removes, two runs at once do not collide.
See ``docs/adr/0001-stack-without-docker.md``.
"""

import contextlib
import os
import re
import shutil
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from service.stack.aptsource import Mirror, host_mirrors
from service.stack.files import locked, say

SUITE = "trixie"
PACKAGES = ("postgresql-17-timescaledb", "mosquitto", "dash", "libc-bin", "tzdata")
MIRROR_VARIABLE = "HOISTWAY_DEBIAN_MIRROR"
# Raise it when the recipe changes: an older root file system is then made anew.
RECIPE = "1"

# Fixed numbers below 65536, free on Debian, so that a user-namespaced container can use them too.
POSTGRES_UID = 61990
MOSQUITTO_UID = 61991

# What only package scripts need, and the JIT compiler: 130 MB for queries that last hours.
_LEFT_OUT = re.compile(
    r"^(perl.*|lib.*-perl|libperl.*|libllvm.*|libz3.*|locales|libc-l10n|debconf|adduser|passwd"
    r"|login.*|ucf|procps|postgresql-common.*|postgresql-client-common|ssl-cert|openssl"
    r"|sysvinit-utils|init-system-helpers|netbase|base-passwd|libsemanage.*|libsepol.*"
    r"|sensible-utils|libpam-modules.*|libdb5.*|libgdbm.*)$"
)
_DEVICES = {"null": 3, "zero": 5, "random": 8, "urandom": 9}


class StackError(RuntimeError):
    """The services cannot be had; the text says why and what to do."""


def ensure_rootfs(directory: Path) -> Path:
    """Return the root file system under the stack directory, made now if it is not there."""
    target = directory / "rootfs"
    if _is_current(target):
        return target
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory / "rootfs.lock", "making the root file system"):
        if _is_current(target):
            return target
        _remove_leftovers(directory)
        started_s = time.monotonic()
        say(f"making a private Debian {SUITE} root file system (once) in {target}")
        draft = directory / f"rootfs.part.{os.getpid()}"
        try:
            _build(draft)
            if target.exists():
                target.rename(directory / f"rootfs.old.{os.getpid()}")
            draft.rename(target)
        finally:
            _remove_leftovers(directory)
        say(f"root file system ready after {time.monotonic() - started_s:.0f} s")
    return target


def _is_current(target: Path) -> bool:
    with contextlib.suppress(OSError):
        return (target / "etc/hoistway-recipe").read_text(encoding="utf-8") == RECIPE
    return False


def _remove_leftovers(directory: Path) -> None:
    for pattern in ("rootfs.part.*", "rootfs.old.*"):
        for path in directory.glob(pattern):
            shutil.rmtree(path, ignore_errors=True)


def _build(draft: Path) -> None:
    packages = draft / "var/cache/packages"
    packages.mkdir(parents=True)
    _download(draft / "apt", packages)
    _lay_out(draft)
    archives = sorted(packages.glob("*.deb"))
    say(f"unpacking {len(archives)} packages")
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for done in pool.map(lambda deb: _run(["dpkg-deb", "-x", str(deb), str(draft)]), archives):
            assert done is not None
    shutil.rmtree(packages)
    shutil.rmtree(draft / "apt")
    for unused in ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"):
        shutil.rmtree(draft / unused, ignore_errors=True)
    _add_accounts(draft)
    _add_devices(draft)
    _prove(draft)
    (draft / "etc/hoistway-recipe").write_text(RECIPE, encoding="utf-8")


def _lay_out(draft: Path) -> None:
    """Make the merged-/usr links and the few directories before the packages come."""
    for name in ("bin", "sbin", "lib", "lib64"):
        (draft / "usr" / name).mkdir(parents=True, exist_ok=True)
        (draft / name).symlink_to(f"usr/{name}")
    for name in ("dev", "etc", "tmp", "run", "srv", "var/lib", "var/tmp"):
        (draft / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (draft / name).chmod(0o1777)


def _add_accounts(draft: Path) -> None:
    passwd, group = ["root:x:0:0:root:/:/bin/sh"], ["root:x:0:"]
    for name, uid in (("postgres", POSTGRES_UID), ("mosquitto", MOSQUITTO_UID)):
        passwd.append(f"{name}:x:{uid}:{uid}:{name}:/srv:/bin/sh")
        group.append(f"{name}:x:{uid}:")
    (draft / "etc/passwd").write_text("\n".join(passwd) + "\n", encoding="utf-8")
    (draft / "etc/group").write_text("\n".join(group) + "\n", encoding="utf-8")
    (draft / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
    (draft / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (draft / "bin/sh").unlink(missing_ok=True)
    (draft / "bin/sh").symlink_to("dash")


def _add_devices(draft: Path) -> None:
    """Make device nodes; where a container forbids them a plain file stands in for /dev/null."""
    for name, minor in _DEVICES.items():
        path = draft / "dev" / name
        try:
            os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, minor))
            path.chmod(0o666)
            path.open("rb").close()
        except OSError:
            path.unlink(missing_ok=True)
            if name == "null":
                path.touch(0o666)
                path.chmod(0o666)


def _prove(draft: Path) -> None:
    """Run both servers once inside: a missing library shows here and not in the first test."""
    postgres = next(draft.glob("usr/lib/postgresql/*/bin/postgres"), None)
    if postgres is None:
        raise StackError("the Debian packages hold no PostgreSQL; report the mirror's state")
    inside = "/" + str(postgres.relative_to(draft))
    _run(["chroot", str(draft), "/usr/sbin/ldconfig"])
    _run(["chroot", str(draft), inside, "--version"])
    _run(["chroot", str(draft), "/usr/sbin/mosquitto", "-h"], accepted=(0, 1, 3))


def _download(state: Path, packages: Path) -> None:
    """Fetch the packages from the first of the host's mirrors that has the suite."""
    _require("apt-get", "dpkg-deb", "chroot")
    problems: list[str] = []
    for mirror in _candidates():
        _write_apt_state(state, mirror)
        apt = ["apt-get", "-q", "-c", str(state / "apt.conf")]
        try:
            say("reading the package list of the host's own Debian mirror")
            _run([*apt, "-o", "APT::Update::Error-Mode=any", "update"])
            plan = _run([*apt, "-s", "install", *PACKAGES])
            names = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
            wanted = [name for name in names if not _LEFT_OUT.match(name)]
            say(f"downloading {len(wanted)} packages")
            _run([*apt, "download", *wanted], cwd=packages)
        except StackError as error:
            problems.append(str(error))
        else:
            return
    raise StackError(
        f"no mirror in the host's apt configuration gives Debian {SUITE}; name one with"
        f" {MIRROR_VARIABLE}, or give HOISTWAY_DATABASE_URL and HOISTWAY_MQTT_URL.\n"
        + "\n".join(problems)
    )


def _candidates() -> list[Mirror]:
    named = os.environ.get(MIRROR_VARIABLE)
    if named:
        return [Mirror(named)]
    mirrors = host_mirrors()
    # An entry may be bound to a key that signs only its own suite: then try all trusted keys.
    return [*mirrors, *dict.fromkeys(m.without_key() for m in mirrors if m.signed_by)]


def _write_apt_state(state: Path, mirror: Mirror) -> None:
    """Lay out private apt directories; the host's proxy, keys and logins still apply."""
    shutil.rmtree(state, ignore_errors=True)
    for name in ("lists/partial", "cache/archives/partial", "sources", "empty"):
        (state / name).mkdir(parents=True)
    (state / "status").touch()
    (state / "sources/debian.sources").write_text(mirror.stanza(SUITE), encoding="utf-8")
    options = {
        "Dir::State": state,
        "Dir::State::lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::State::extended_states": state / "extended_states",
        "Dir::Cache": state / "cache",
        "Dir::Cache::archives": state / "cache/archives",
        "Dir::Etc::sourcelist": "/dev/null",
        "Dir::Etc::sourceparts": state / "sources",
        "Dir::Etc::preferences": "/dev/null",
        "Dir::Etc::preferencesparts": state / "empty",
        "Dir::Log": state,
        "APT::Install-Recommends": "false",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": "3",
        "Acquire::http::Timeout": "30",
    }
    hooks = ("APT::Update::Pre-Invoke", "APT::Update::Post-Invoke")
    hooks += ("APT::Update::Post-Invoke-Success", "DPkg::Pre-Invoke", "DPkg::Post-Invoke")
    lines = [f"#clear {hook};" for hook in hooks]
    lines += [f'{name} "{value}";' for name, value in options.items()]
    (state / "apt.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _require(*programs: str) -> None:
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        raise StackError(f"this system lacks {', '.join(missing)}: is it of the Debian family?")


def _run(command: list[str], cwd: Path | None = None, accepted: tuple[int, ...] = (0,)) -> str:
    if (
        shutil.which("setpriv") is not None
    ):  # nothing goes on unpacking after this process was killed
        command = ["setpriv", "--pdeathsig", "KILL", *command]
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(  # noqa: PLW1510 - the return code is judged below
        command, cwd=cwd, env=environment, capture_output=True, text=True, errors="replace"
    )
    if done.returncode not in accepted:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-6:])
        raise StackError(f"{' '.join(command)[:200]} … failed ({done.returncode}): {tail}")
    return done.stdout
