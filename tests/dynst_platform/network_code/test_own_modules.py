"""A network's code in place of other modules of the same names, and what is trusted."""

import json
import sys
from pathlib import Path

import pytest

from dynst.errors import DataError
from dynst_platform.file_list import file_list
from dynst_platform.network_code.own_modules import OwnModules, is_here
from dynst_platform.network_code.trust import TRUSTED, is_trusted, remember


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    (folder / "some_net").mkdir(parents=True)
    (folder / "some_net" / "__init__.py").write_text("WHERE = 'here'\n")
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    folder = tmp_path / "logged"
    (folder / "some_net").mkdir(parents=True)
    (folder / "some_net" / "__init__.py").write_text("WHERE = 'logged'\n")
    (folder / "some_net" / "late.py").write_text("from some_net import WHERE\n")
    return folder


def test_inside_it_is_the_logged_one_and_afterwards_as_before(here: Path, logged: Path) -> None:
    import some_net  # type: ignore[import-not-found]

    before, path = some_net, list(sys.path)
    modules = OwnModules(logged)
    with modules:
        import some_net

        assert some_net.WHERE == "logged"
        first = some_net
    assert sys.modules["some_net"] is before
    assert sys.path == path
    with modules:
        from some_net.late import WHERE  # type: ignore[import-not-found]

        assert WHERE == "logged"
        assert sys.modules["some_net"] is first, "the same modules as before"
    assert "some_net.late" not in sys.modules
    del sys.modules["some_net"]


def test_without_a_folder_nothing_changes() -> None:
    before = dict(sys.modules)
    with OwnModules(None):
        assert sys.modules == before


def test_what_is_here_is_known_by_content(here: Path, logged: Path) -> None:
    files = file_list(here)
    assert is_here(files)
    assert "some_net" not in sys.modules, "nothing was imported to find out"
    assert not is_here(file_list(logged))
    assert not is_here({"some_other_net.py": "0"})
    (here / "some_net" / "__init__.py").write_text("WHERE = 'edited'\n")
    assert not is_here(files)


@pytest.mark.usefixtures("own_home")
def test_exactly_what_was_trusted_is(own_home: Path) -> None:
    files = {"a.py": "1", "b.py": "2"}
    assert not is_trusted(files)
    remember(files)
    remember({"c.py": "3"})
    assert is_trusted(dict(reversed(files.items())))
    assert is_trusted({"c.py": "3"})
    assert not is_trusted({"a.py": "1"})
    assert not is_trusted({"a.py": "1", "b.py": "3"})
    assert not is_trusted(files | {"c.py": "3"})


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', '{"version": 2, "trusted": {}}'])
def test_a_damaged_file_trusts_nothing(own_home: Path, text: str) -> None:
    own_home.mkdir()
    (own_home / TRUSTED).write_text(text)
    with pytest.raises(DataError, match=TRUSTED):
        is_trusted({"a.py": "1"})


def test_what_was_trusted_can_be_read(own_home: Path) -> None:
    remember({"a.py": "1"})
    (entry,) = json.loads((own_home / TRUSTED).read_text())["trusted"].values()
    assert entry["files"] == ["a.py"]
