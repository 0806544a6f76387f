"""Lists of files: what differs, and that names from elsewhere are shown as text."""

from pathlib import Path

from dynst_platform.file_list import differences, file_list, list_digest


def test_what_differs_is_named_by_kind(tmp_path: Path) -> None:
    for name in ("kept", "edited", "removed"):
        (tmp_path / name).write_text(name)
    before = file_list(tmp_path)
    (tmp_path / "edited").write_text("otherwise")
    (tmp_path / "removed").unlink()
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "new").write_text("")
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "new.pyc").write_text("")
    after = file_list(tmp_path)
    assert differences(before, after) == "changed: edited; added: more/new; missing: removed"
    assert differences(after, after) == ""
    assert list_digest(before) != list_digest(after)
    assert list_digest(before) == list_digest(dict(reversed(before.items())))


def test_many_are_counted_and_no_name_controls_the_terminal() -> None:
    found = {f"file{number:02}": "" for number in range(12)} | {"a\x1b[2J": ""}
    said = differences({}, found)
    assert said.startswith("added: a\\x1b[2J, file00, ")
    assert said.endswith("file08 and 3 more")
