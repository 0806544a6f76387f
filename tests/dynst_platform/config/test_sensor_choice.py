from pathlib import Path

import pytest

from dynst.errors import ConfigError
from dynst_platform.config.sensor_choice import read_choice

IDS = ("north", "south", "east", "west")


def written(folder: Path, text: str) -> str:
    path = folder / "choice.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("sensor\nwest\nnorth\n", {"west", "north"}),
        ("id,cost\neast,3\n", {"east"}),
        ("\ufeffsensor\nsouth\n", {"south"}),
        ("sensor\nsouth\nsouth\n", {"south"}),
        (
            "sensor,active,importance\nnorth,True,1\nsouth,False,2\neast,true,0\nwest,0,9\n",
            {"north", "east"},
        ),
        ("sensor,active\nnorth,on\nsouth, off\neast,No\nwest,1\n", {"north", "west"}),
    ],
)
def test_a_choice_is_read(tmp_path: Path, text: str, kept: set[str]) -> None:
    active = read_choice(written(tmp_path, text), IDS)
    assert {name for name, on in zip(IDS, active.tolist(), strict=True) if on} == kept


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "sensor\nsuoth\n",
            r"must name sensors of the store, but got 'suoth'; did you mean 'south'\?",
        ),
        ("sensor\nnorth\nxyz\n", "but got 'xyz'; the first is 'north'"),
        ("sensor,active\nnorth,false\n", "keeps no sensor at all; keep at least one"),
        ("sensor\n", "has none; add it|keeps no sensor"),
        ("", "with a column sensor, one row a sensor, but has none; add it"),
        ("name\nnorth\n", "with a column sensor, one row a sensor, but has none; add it"),
    ],
)
def test_a_wrong_choice_is_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        read_choice(path, IDS)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_file_and_a_picture_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"absent\.csv cannot be read .*; name a CSV with a column sensor"
    ):
        read_choice(str(tmp_path / "absent.csv"), IDS)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_choice(str(tmp_path / "picture.png"), IDS)


def test_home_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path, "sensor\nwest\n")
    assert read_choice("~/choice.csv", IDS).tolist() == [False, False, False, True]
