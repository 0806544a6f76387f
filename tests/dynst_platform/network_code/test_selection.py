"""What of a user's own network travels: the modules that it imports, and what its ignore file
adds.
"""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynst.errors import ConfigError
from dynst_platform.network_code import selection
from dynst_platform.network_code.selection import NetworkCode, code_of

FILES = {
    "pkg/__init__.py": "from .net import Net\n",
    "pkg/net.py": (
        "import os, yaml\n"
        "from typing import TYPE_CHECKING\n"
        "import scipy.signal as signal\n"
        "from torch import nn\n"
        "from . import layers\n"
        "from .deep.inner import scale\n"
        "import helper\n"
        "import space.part.mod\n"
        "try:\n    import absent_package\nexcept ImportError:\n    pass\n"
        "class Net(nn.Module):\n    pass\n"
    ),
    "pkg/layers.py": "from pkg.circle import *\n",
    "pkg/circle.py": "def late():\n    import importlib\n"
    "    from ..pkg import beyond\n    return importlib.import_module('pkg.by_name')\n",
    "pkg/by_name.py": "from . import net\n",
    "pkg/deep/inner.py": "from .. import sibling\nscale = 1\n",
    "pkg/sibling.py": "",
    "pkg/unused.py": "",
    "pkg/table.csv": "1,2\n",
    "pkg/weights.json": "{}",
    "helper.py": "import dynst, dynst_platform\n",
    "unrelated.py": "",
    "space/part/mod.py": "",
    "space/part/other.py": "",
    ".env": "TOKEN=secret\n",
    "pkg/.env": "TOKEN=secret\n",
    ".git/config": "[remote]\n",
    "id_rsa": "secret\n",
    "server.pem": "secret\n",
    "data.csv": "1,2\n",
}
GRAPH = [
    "helper.py",
    "pkg/__init__.py",
    "pkg/by_name.py",
    "pkg/circle.py",
    "pkg/deep/inner.py",
    "pkg/layers.py",
    "pkg/net.py",
    "pkg/sibling.py",
    "space/part/mod.py",
]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "project"
    monkeypatch.syspath_prepend(str(folder))
    names = {"my_net", *(path.split("/")[0].removesuffix(".py") for path in FILES)}
    for name in [name for name in sys.modules if name.split(".")[0] in names]:
        monkeypatch.delitem(sys.modules, name)  # that of another test
    before = set(sys.modules)
    write(folder, FILES)
    yield folder
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    importlib.invalidate_caches()


def selected(name: str = "pkg.net:Net") -> NetworkCode:
    code = code_of(name)
    assert code is not None
    return code


@pytest.mark.usefixtures("root")
def test_it_is_what_is_imported_and_nothing_beside_it() -> None:
    assert sorted(selected().files) == GRAPH
    assert selected().distributions == ("PyYAML", "scipy", "torch")


def test_a_module_of_one_file_beside_secrets_and_data(root: Path) -> None:
    write(root, {"my_net.py": "from torch import nn\nclass Net(nn.Module): pass\n"})
    assert list(selected("my_net:Net").files) == ["my_net.py"]


def test_modules_of_two_folders(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "second"))
    write(tmp_path / "second", {"outer.py": "import helper\n"})
    assert list(selected("outer:Net").files) == ["helper.py", "outer.py"]


def test_a_package_that_was_installed_is_a_requirement(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From an index it is one by its version; from a folder it has no other place to come from."""
    target = tmp_path / "target"
    monkeypatch.syspath_prepend(str(target))
    for name in ("of_index", "of_folder"):
        write(
            target,
            {
                f"{name}/__init__.py": "",
                f"{name}-1.0.dist-info/METADATA": f"Name: {name}\nVersion: 1.0\n",
            },
        )
        write(target, {f"{name}-1.0.dist-info/RECORD": f"{name}/__init__.py,,\n"})
    write(
        target, {"of_folder-1.0.dist-info/direct_url.json": '{"url": "file:///a", "dir_info": {}}'}
    )
    write(root, {"my_net.py": "import of_index, of_folder\n"})
    code = selected("my_net:Net")
    assert list(code.files) == ["my_net.py", "of_folder/__init__.py"]
    assert code.distributions == ("of_index",)


def test_a_checkout_with_the_remains_of_a_build_is_no_distribution(root: Path) -> None:
    write(
        root,
        {"pkg.egg-info/PKG-INFO": "Name: pkg\nVersion: 1\n", "pkg.egg-info/top_level.txt": "pkg\n"},
    )
    write(root, {"pkg.egg-info/SOURCES.txt": "pkg/__init__.py\npkg/net.py\n"})
    assert sorted(selected().files) == GRAPH


def test_our_own_networks_and_installed_ones_have_no_code() -> None:
    assert code_of("linear") is None
    assert selected("dynst.models.graph.linear:LinearModel").files == {}
    installed = selected("torch.nn:Linear")
    assert (installed.files, installed.distributions) == ({}, ("torch",))


def test_the_ignore_file_excludes_and_includes(root: Path) -> None:
    lines = ["# comment", "", "by_name.py", "/pkg/deep/", "!pkg/*.json", "!unused.py", "!**/*.csv"]
    write(root, {".dynstignore": "\n".join([*lines, "data.csv"])})
    kept = [path for path in GRAPH if path not in ("pkg/by_name.py", "pkg/deep/inner.py")]
    code = selected()
    assert sorted(code.files) == sorted(
        [*kept, "pkg/table.csv", "pkg/unused.py", "pkg/weights.json"]
    )
    assert code.ignore_file is not None


def test_keys_and_hidden_files_never_travel(root: Path) -> None:
    write(root, {".dynstignore": "!*\n!.env\n!.git/config\n!id_rsa\n!*.pem\n", "prod.env": "S=1"})
    secret = {path for path, text in FILES.items() if "secret" in text} | {"prod.env"}
    assert not secret & set(selected().files)
    assert "data.csv" in selected().files, "it is named"


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("net.py", r"must not exclude pkg/net\.py, which holds model\.backbone 'pkg\.net:Net'"),
        ("!../other", r"must name files below its own folder, but has '!\.\./other'"),
    ],
)
def test_an_ignore_file_that_cannot_be_meant(root: Path, lines: str, sentence: str) -> None:
    write(root, {".dynstignore": lines})
    with pytest.raises(ConfigError, match=sentence):
        code_of("pkg.net:Net")


def test_too_much_is_refused_by_name_of_the_largest(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "LIMIT", 2**20)
    write(root, {".dynstignore": "!pkg/big.bin", "pkg/big.bin": "0" * 2**20})
    with pytest.raises(ConfigError, match=r"at most 1 MiB.*most of it pkg/big\.bin \(1\.0 MiB\)"):
        code_of("pkg.net:Net")


def test_the_listing_names_every_file_with_its_size(root: Path) -> None:
    write(root, {"my_net.py": "import yaml\n"})
    assert selected("my_net:Net").listing() == "my_net.py (12 bytes); packages: PyYAML"
