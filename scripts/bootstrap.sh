#!/bin/sh
# Make .venv from the hash-pinned requirements.lock. Needs Python >= 3.11 and nothing else.
#
# A stamp keyed by the lock and the place makes a second call almost free; after a change of the lock
# the environment is brought up to date where it is. A mark lies in it while it is worked on: one
# that an interrupted run left is made anew. Of two calls at once the second waits.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
venv="$root/.venv"
stamp="$venv/.hoistway-stamp"
unfinished="$venv/.hoistway-unfinished"
work="$venv/.hoistway-work"
lock="$root/requirements.lock"

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
    for name in ${PYTHON:-} python3 python3.11 python3.12 python3.13 python3.14 /usr/bin/python3; do
        path=$(command -v "$name" 2>/dev/null) || continue
        if fits "$path"; then printf '%s\n' "$path"; return; fi
    done
    die 'Python 3.11 or newer is needed; on Debian: apt-get install python3. Or name one: PYTHON=...'
}

# The lock's digest and the place: a moved checkout has a .venv with wrong paths inside.
key() { printf '%s %s\n' "$(sha256sum < "$lock" | cut -d' ' -f1)" "$root"; }

current() { [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(key)" ] && "$venv/bin/python" -c ''; }

# Debian's python3 comes without ensurepip. pip is a zip file that can run as it is: take it from
# Debian's own wheel package, unpacked beside the environment; the system is left as it was.
pip_from_debian() {
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
    mkdir -p "$work/deb/lists/partial" "$work/deb/cache/archives/partial"
    cat > "$work/deb/apt.conf" <<CONF
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State::lists "$work/deb/lists";
Dir::Cache "$work/deb/cache";
APT::Sandbox::User "root";
CONF
    (
        cd "$work/deb"
        apt-get -qq -c apt.conf update && apt-get -qq -c apt.conf download python3-pip-whl
    ) >&2 || return 1
    dpkg-deb -x "$work"/deb/python3-pip-whl_*.deb "$work/deb" || return 1
    set -- "$work"/deb/usr/share/python-wheels/pip-*.whl
    [ -f "$1" ] && printf '%s\n' "$1"
}

find_pip_wheel() {
    for wheel in /usr/share/python-wheels/pip-*.whl; do
        if [ -f "$wheel" ]; then printf '%s\n' "$wheel"; return; fi
    done
    say "this Python has no pip; taking it from the system's package source (nothing is installed)"
    pip_from_debian || die 'no pip to be had; on Debian: apt-get install python3-venv'
}

# Leave `python -m pip` working against $venv, whatever the base Python lacks.
run_pip() {
    if "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        "$venv/bin/python" -m pip "$@"
    else
        PYTHONPATH=${pip_wheel:=$(find_pip_wheel)} "$venv/bin/python" -m pip "$@"
    fi
}

install_all() {
    # uv first, alone and by its hash from the same lock, because it installs the rest in seconds.
    awk '/^[^ #]/ { keep = /^uv==/ } keep' "$lock" > "$work/uv.lock"
    if have_uv && install_with_uv; then return; fi
    say 'installing with pip'
    run_pip install -q --disable-pip-version-check --require-hashes --no-deps -r "$lock" >&2
}

have_uv() {
    "$venv/bin/uv" --version >/dev/null 2>&1 && return
    "$venv/bin/python" -m ensurepip >/dev/null 2>&1 || true
    run_pip install -q --disable-pip-version-check --require-hashes --no-deps \
        -r "$work/uv.lock" >&2
}

# uv reads no pip configuration: a mirror that is set for pip is named to it.
install_with_uv() {
    if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
        index=${PIP_INDEX_URL:-$(run_pip config get global.index-url 2>/dev/null || true)}
        if [ -n "$index" ]; then export UV_DEFAULT_INDEX="$index"; fi
    fi
    VIRTUAL_ENV="$venv" "$venv/bin/uv" pip sync -q --require-hashes "$lock" >&2
}

# The project itself, editable: a path file, the metadata and the command, without a build step.
install_project() {
    "$venv/bin/python" - "$root" <<'PYTHON'
import shutil, sys, sysconfig, tomllib
from pathlib import Path

root, site = Path(sys.argv[1]), Path(sysconfig.get_path("purelib"))
project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
name, version = project["name"], project["version"]
for old in site.glob(f"{name}-*.dist-info"):
    shutil.rmtree(old)
(site / f"{name}.pth").write_text(f"{root}\n", encoding="utf-8")
info = site / f"{name}-{version}.dist-info"
info.mkdir()
metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
(info / "METADATA").write_text(metadata, encoding="utf-8")
scripts = project.get("scripts", {})
lines = ["[console_scripts]", *(f"{command} = {target}" for command, target in scripts.items())]
(info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
wheel = "Wheel-Version: 1.0\nGenerator: bootstrap.sh\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
(info / "WHEEL").write_text(wheel, encoding="utf-8")
(info / "RECORD").write_text(f"{name}.pth,,\n", encoding="utf-8")
for command, target in scripts.items():
    module, function = target.split(":")
    path = Path(sysconfig.get_path("scripts")) / command
    text = f"#!{sys.executable}\nimport sys\n\nfrom {module} import {function}\n\n"
    path.write_text(f"{text}sys.exit({function}())\n", encoding="utf-8")
    path.chmod(0o755)
PYTHON
}

make_venv() {
    if [ -e "$unfinished" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
        python=$(find_python)
        say "making .venv with $("$python" --version)"
        rm -rf "$venv"
        "$python" -m venv --without-pip "$venv"
    else
        say 'bringing .venv up to date with requirements.lock'
    fi
    : > "$unfinished"
}

main() {
    rm -f "$stamp"
    make_venv
    mkdir -p "$work"
    install_all
    install_project
    key > "$stamp"
    rm -rf "$work" "$unfinished"
    say 'ready'
}

[ -f "$lock" ] || die 'requirements.lock is missing'
current && exit 0
if [ -z "${HOISTWAY_SETUP_LOCKED:-}" ] && command -v flock >/dev/null; then
    HOISTWAY_SETUP_LOCKED=1 exec flock "$root" "$0"
fi
main
