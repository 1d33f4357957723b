"""The private root file system is made once, whole or not at all."""

import threading
import time
from pathlib import Path

import pytest

from service.stack import rootfs
from service.stack.rootfs import StackError, ensure_rootfs


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Replace the recipe by one that takes a moment and writes one file."""
    calls: list[Path] = []

    def build(draft: Path) -> None:
        calls.append(draft)
        (draft / "etc").mkdir(parents=True)
        time.sleep(0.05)
        (draft / "etc/hoistway-recipe").write_text(rootfs.RECIPE)

    monkeypatch.setattr(rootfs, "_build", build)
    return calls


def test_it_is_made_once(tmp_path: Path, built: list[Path]):
    assert ensure_rootfs(tmp_path) == ensure_rootfs(tmp_path) == tmp_path / "rootfs"
    assert len(built) == 1


def test_what_an_interrupted_run_left_is_removed(tmp_path: Path, built: list[Path]):
    for name in ("rootfs.part.1/usr/bin", "rootfs.old.2/etc"):
        (tmp_path / name).mkdir(parents=True)
    ensure_rootfs(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rootfs", "rootfs.lock"]


def test_a_failed_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(draft: Path) -> None:
        draft.mkdir()
        raise StackError("no mirror")

    monkeypatch.setattr(rootfs, "_build", fail)
    with pytest.raises(StackError, match="no mirror"):
        ensure_rootfs(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["rootfs.lock"]


def test_two_commands_at_once_make_one(tmp_path: Path, built: list[Path]):
    threads = [threading.Thread(target=ensure_rootfs, args=(tmp_path,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1


def test_another_recipe_is_made_anew(tmp_path: Path, built: list[Path]):
    ensure_rootfs(tmp_path)
    (tmp_path / "rootfs/etc/hoistway-recipe").write_text("0")
    (tmp_path / "rootfs/old").touch()
    ensure_rootfs(tmp_path)
    assert len(built) == 2
    assert not (tmp_path / "rootfs/old").exists()


def test_without_a_mirror_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("HOISTWAY_DEBIAN_MIRROR", raising=False)
    monkeypatch.setattr(rootfs, "host_mirrors", tuple)
    monkeypatch.setattr(rootfs, "_require", lambda *_: None)
    with pytest.raises(StackError, match="HOISTWAY_DEBIAN_MIRROR"):
        ensure_rootfs(tmp_path)
    assert not (tmp_path / "rootfs").exists()
