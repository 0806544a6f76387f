"""What could not be run says so, and every file is spoken of where it lies."""

from pathlib import Path

import pytest

from tests.infra.documents import INFRA


@pytest.mark.parametrize("name", ["docker", "ray", "kubernetes"])
def test_what_was_not_run_says_so(name: str) -> None:
    readme = (INFRA / name / "README.md").read_text()
    assert "Not run here: " in readme
    assert f"tests/infra/test_{name}.py" in readme
    assert f"[{name}]({name}/README.md)" in (INFRA / "README.md").read_text()


@pytest.mark.parametrize(
    "path", sorted(INFRA.glob("*/README.md")), ids=lambda path: path.parent.name
)
def test_commands_name_files_that_are_there(path: Path) -> None:
    named = {
        word.rstrip(".,;:)")
        for word in path.read_text().split()
        if word.startswith(("infra/", "jobs/"))
    }
    own = {name for name in named if "secrets/" not in name}
    assert own
    assert [name for name in sorted(own) if not (INFRA.parent / name).exists()] == []
