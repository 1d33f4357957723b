"""Read the host's apt configuration: which mirrors, and how they are signed.

The private root file system comes from the mirror that the host itself uses, so that a company
mirror, a proxy or an offline copy works without a word of configuration. Pure text in, values out;
`service.stack.rootfs` runs apt with them. One-line ``sources.list`` entries and deb822 ``.sources``
stanzas are understood.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

# The archive proper; -security, -updates and -backports suites hold no whole distribution.
_SUITES = frozenset(
    {"stable", "oldstable", "testing", "unstable", "sid"}
    | {"bullseye", "bookworm", "trixie", "forky", "duke"}
)
_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<uri>\S+)\s+(?P<rest>.+)$")


@dataclass(frozen=True)
class Mirror:
    """One Debian archive of the host: its address and the signature rules that apply to it."""

    uri: str
    signed_by: str = ""
    trusted: str = ""

    def stanza(self, suite: str) -> str:
        """Return a deb822 source that takes `suite` from this mirror."""
        lines = ["Types: deb", f"URIs: {self.uri}", f"Suites: {suite}", "Components: main"]
        if self.signed_by:
            lines.append(f"Signed-By: {self.signed_by}")
        if self.trusted:
            lines.append(f"Trusted: {self.trusted}")
        return "\n".join(lines) + "\n"

    def without_key(self) -> "Mirror":
        """Return the same mirror checked against all keys that the host trusts."""
        return replace(self, signed_by="")


def host_mirrors(apt_dir: Path = Path("/etc/apt")) -> tuple[Mirror, ...]:
    """Return the host's Debian archives in the order of its configuration, without repetition."""
    found: list[Mirror] = []
    for path in _source_files(apt_dir):
        text = path.read_text(encoding="utf-8", errors="replace")
        parse = parse_deb822 if path.suffix == ".sources" else parse_one_line
        found += parse(text)
    return tuple(dict.fromkeys(found))


def _source_files(apt_dir: Path) -> Iterator[Path]:
    main = apt_dir / "sources.list"
    if main.is_file():
        yield main
    parts = apt_dir / "sources.list.d"
    if parts.is_dir():
        yield from sorted(p for p in parts.iterdir() if p.suffix in {".list", ".sources"})


def parse_one_line(text: str) -> list[Mirror]:
    """Return the Debian archives named in a ``sources.list``."""
    found: list[Mirror] = []
    for raw in text.splitlines():
        match = _ONE_LINE.match(raw.split("#", 1)[0].strip())
        if match is None:
            continue
        suite, *components = match["rest"].split()
        options = dict(
            item.split("=", 1) for item in (match["options"] or "").split() if "=" in item
        )
        if _is_archive([suite], components):
            signed_by = options.get("signed-by", "").replace(",", " ")
            found.append(Mirror(match["uri"], signed_by, options.get("trusted", "")))
    return found


def parse_deb822(text: str) -> list[Mirror]:
    """Return the Debian archives named in a ``.sources`` file."""
    found: list[Mirror] = []
    for block in re.split(r"\n[ \t]*\n", text):
        fields = _fields(block.splitlines())
        if "deb" not in fields.get("types", "").split() or fields.get("enabled") == "no":
            continue
        if _is_archive(fields.get("suites", "").split(), fields.get("components", "").split()):
            found += [
                Mirror(uri, fields.get("signed-by", ""), fields.get("trusted", ""))
                for uri in fields.get("uris", "").split()
            ]
    return found


def _fields(lines: Iterable[str]) -> dict[str, str]:
    """Return one stanza's fields, lower-case names; a value keeps its continuation lines."""
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        if line.startswith("#"):
            continue
        if line[:1] in {" ", "\t"} and name:
            fields[name] += "\n" + line
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def _is_archive(suites: Iterable[str], components: Iterable[str]) -> bool:
    return "main" in components and any(suite in _SUITES for suite in suites)
