"""The host's apt configuration, in both spellings, gives the mirror of the private file system."""

from pathlib import Path

import pytest

from service.stack.aptsource import Mirror, host_mirrors, parse_deb822, parse_one_line


def test_one_line_entries_keep_options_and_skip_other_archives():
    text = """
    # deb http://commented.example/debian bookworm main
    deb http://mirror.example/debian bookworm main contrib # ours
    deb [arch=amd64 signed-by=/k/a.gpg,/k/b.gpg] https://two.example/debian stable main
    deb http://mirror.example/debian-security bookworm-security main
    deb-src http://mirror.example/debian bookworm main
    deb https://tools.example/apt nodistro main
    """
    assert parse_one_line(text) == [
        Mirror("http://mirror.example/debian"),
        Mirror("https://two.example/debian", signed_by="/k/a.gpg /k/b.gpg"),
    ]


def test_deb822_stanzas_keep_an_inline_key_and_skip_disabled_ones():
    text = (
        "Types: deb deb-src\nURIs: http://a.example/debian http://b.example/debian\n"
        "# a note\nSuites: bookworm bookworm-updates\nComponents: main\n"
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n\n"
        "Enabled: no\nTypes: deb\nURIs: http://c.example/debian\nSuites: bookworm\n"
        "Components: main\n\n"
        "Types: deb\nURIs: http://d.example/debian-security\nSuites: bookworm-security\n"
        "Components: main\n"
    )
    mirrors = parse_deb822(text)
    assert [m.uri for m in mirrors] == ["http://a.example/debian", "http://b.example/debian"]
    assert mirrors[0].signed_by.endswith("\n .\n abc")
    assert "Signed-By: \n -----BEGIN" in mirrors[0].stanza("trixie")
    assert "Signed-By" not in mirrors[0].without_key().stanza("trixie")


@pytest.mark.parametrize("text", ["", "\n\n", "deb", "nonsense [", "Types: deb", " lone line"])
def test_unusable_text_gives_no_mirror(text: str):
    assert parse_one_line(text) == []
    assert parse_deb822(text) == []


def test_all_files_are_read_once_and_in_order(tmp_path: Path):
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://first.example/debian bookworm main\n")
    (parts / "b.list").write_text("deb http://first.example/debian trixie main\n")
    (parts / "a.sources").write_text(
        "Types: deb\nURIs: http://second.example/debian\nSuites: sid\nComponents: main\n"
    )
    (parts / "c.save").write_text("deb http://third.example/debian bookworm main\n")
    assert [m.uri for m in host_mirrors(tmp_path)] == [
        "http://first.example/debian",
        "http://second.example/debian",
    ]
    assert host_mirrors(tmp_path / "nothing") == ()
