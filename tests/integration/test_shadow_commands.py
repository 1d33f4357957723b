"""The commands of shadow mode."""

import json

from service.cli import run

# --- commands -------------------------------------------------------------------------------------


def test_the_commands_set_show_and_clear(database_url, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("HOISTWAY_DATABASE_URL", database_url)
    file = tmp_path / "sooner.toml"
    file.write_text("between_landings_window_s = 25\n")
    assert run(["compare", "--live"]) == 2
    assert "no shadow was ever set" in capsys.readouterr().err
    assert run(["shadow", "clear"]) == 1
    capsys.readouterr()
    assert run(["shadow", "set"]) == 2
    assert "give --parameters FILE, --candidate NAME, or both" in capsys.readouterr().err
    assert run(["shadow", "set", "--candidate", "new"]) == 2
    assert "module:attribute" not in capsys.readouterr().err  # only registered ones may run
    assert run(["shadow", "set", "--parameters", str(file)]) == 0
    assert "shadow 1 is set" in capsys.readouterr().out
    assert run(["shadow", "show", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["parameters"] == {"between_landings_window_s": 25}
    assert (told["version"], told["lanes"]) == (1, [])
    assert run(["shadow", "show"]) == 0
    assert "it has not begun" in capsys.readouterr().out
    assert run(["compare", "--live"]) == 1
    assert "has not begun" in capsys.readouterr().err
    assert run(["compare", "--live", "--parameters", str(file)]) == 2
    assert run(["shadow", "clear"]) == 0
    capsys.readouterr()
    assert run(["shadow", "show"]) == 0
    assert capsys.readouterr().out == "no shadow is set\n"
    assert run(["shadow", "show", "--version", "1"]) == 0
    assert "cleared" in capsys.readouterr().out
    assert run(["shadow", "show", "--version", "9"]) == 1
