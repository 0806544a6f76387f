"""Flags before variables before the named profile.

And one sentence for each thing that is wrong.
"""

import os
from pathlib import Path

import pytest

from dynst.errors import ConfigError
from dynst_platform.config.cluster_profile import Profile, config_path, find_profile, use_token

CONFIG = """\
default = "lab"

[profiles.lab]
address = "http://lab:8265"
token_file = "/secrets/lab"
tracking_uri = "http://lab:5000"
home = "/shared/dynst"
env = ["AWS_PROFILE"]

[profiles.cloud]
address = "https://cloud"
"""
NAMES = (
    "DYNST_ADDRESS",
    "DYNST_TOKEN_FILE",
    "DYNST_TOKEN",
    "DYNST_TRACKING_URI",
    "DYNST_CLUSTER_HOME",
    "DYNST_STORAGE",
    "DYNST_PROFILE",
)


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    monkeypatch.setenv("DYNST_CONFIG", str(path))
    for name in (*NAMES, "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.setenv(name, "")  # so that what a test sets is undone
        monkeypatch.delenv(name)
    return path


def test_the_default_profile_where_nothing_is_said() -> None:
    profile = find_profile({})
    assert profile.url == "http://lab:8265"
    assert profile.env == ("AWS_PROFILE",)
    assert profile.token_file == Path("/secrets/lab")


def test_flags_before_variables_before_the_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNST_ADDRESS", "http://variable:1")
    monkeypatch.setenv("DYNST_TRACKING_URI", "http://variable:2")
    found = find_profile({"address": "http://flag:1", "home": None}, "lab")
    assert (found.address, found.tracking_uri, found.home) == (
        "http://flag:1",
        "http://variable:2",
        "/shared/dynst",
    )


def test_a_profile_by_flag_or_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_profile({}, "cloud").url == "https://cloud"
    monkeypatch.setenv("DYNST_PROFILE", "cloud")
    assert find_profile({}).token_file is None


def test_without_a_file_flags_are_enough(config: Path) -> None:
    config.unlink()
    assert find_profile({"address": "host:8265"}).url == "http://host:8265"
    with pytest.raises(ConfigError, match=r"there is no profile 'lab', because there is no file"):
        find_profile({}, "lab")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("default = ", r"config\.toml is no TOML"),
        (
            "[profiles.lab]\nadress = 'x'",
            r"profiles\.lab: 'adress' is unknown; known keys: address, token_file",
        ),
        (
            "defaults = 'lab'",
            r"must hold default and tables \[profiles\.NAME\], but has the key defaults",
        ),
        ("default = 'x'\n[profiles.lab]", r"must have a profile 'x', but has lab"),
        (
            "default = 'lab'\n[profiles.lab]\nhome = 's3://bucket'",
            r"'home' must be an absolute path on the nodes, but got 's3://bucket'",
        ),
        ("[profiles]\nlab = 1", r"has profiles that are no tables"),
        ("default = 'lab'\n[profiles.lab]\naddress = 7", r"'address' must be a valid string"),
    ],
)
def test_a_file_that_is_wrong(config: Path, text: str, sentence: str) -> None:
    config.write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        find_profile({}, "lab" if "adress" in text else None)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        (None, r"no cluster is named; give --address"),
        ("ray://host:10001", r"must be that of Ray's dashboard"),
        ("http://", r"must be that of Ray's dashboard"),
        ("http://me:secret@host", r"must hold no user or password"),
    ],
)
def test_an_address_that_is_none(address: str | None, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        _ = Profile(address=address).url
    assert "secret" not in str(caught.value)


def test_ray_reads_the_token_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_TOKEN", "another")
    (tmp_path / "token").write_text("abc")
    use_token(Profile(token_file=tmp_path / "token"))
    assert os.environ["RAY_AUTH_TOKEN_PATH"] == str(tmp_path / "token")
    assert "RAY_AUTH_TOKEN" not in os.environ
    monkeypatch.setenv("DYNST_TOKEN", "def")
    use_token(Profile())
    assert os.environ["RAY_AUTH_TOKEN"] == "def"


@pytest.mark.parametrize("content", [None, "", "abc\n", "abc def"])
def test_a_token_file_that_is_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    with pytest.raises(
        ConfigError,
        match=r"the token file .*token (cannot be read|must hold the token and nothing else)",
    ):
        use_token(Profile(token_file=tmp_path / "token"))


def test_the_file_is_among_the_users_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DYNST_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/settings")
    assert config_path() == Path("/settings/dynst/config.toml")
