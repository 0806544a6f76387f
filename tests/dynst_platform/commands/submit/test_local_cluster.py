"""The script of ``infra/local`` ends what it started, and nothing else."""

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import psutil
import pytest

SCRIPT = Path(__file__).parents[4] / "infra" / "local" / "cluster.py"
SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
PARENT = [
    sys.executable,
    "-c",
    f"import subprocess; subprocess.Popen({SLEEPER}); import time; print('up', flush=True); "
    f"time.sleep(600)",
]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    sys.path.insert(0, str(SCRIPT.parent))  # as for any script: it imports what lies beside it
    spec = spec_from_file_location("local_cluster", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["local_cluster"] = module  # its dataclasses look it up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def parent() -> Iterator[psutil.Popen]:
    """A process with a child."""
    process = psutil.Popen(PARENT, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    children = process.children()
    yield process
    for each in (*children, process):
        if each.is_running():
            each.kill()
    process.wait()
    process.stdout.close()


def test_down_ends_a_part_and_the_orphans_of_one_that_died(
    script: ModuleType, parent: psutil.Popen, tmp_path: Path
) -> None:
    ray, database = tmp_path / "ray", tmp_path / "database"
    ray.mkdir()
    database.mkdir()
    state = script.State(temporary=str(ray), database=str(database))
    script.note(state, tmp_path, "head", parent)
    (child,) = parent.children()
    parent.kill()
    parent.wait()
    assert child.is_running()
    assert "head: running" in script.status(tmp_path)
    script.down(tmp_path)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert not ray.exists()
    assert not database.exists()
    assert script.status(tmp_path) == f"no cluster in {tmp_path}"


def test_a_number_that_another_process_has_now_is_left_alone(
    script: ModuleType, parent: psutil.Popen, tmp_path: Path
) -> None:
    state = script.State(temporary=str(tmp_path / "ray"), database=str(tmp_path / "database"))
    script.note(state, tmp_path, "head", parent)
    facts = json.loads((tmp_path / "cluster.json").read_text())
    facts["parts"]["head"] = [[pid, started - 3600] for pid, started in facts["parts"]["head"]]
    (tmp_path / "cluster.json").write_text(json.dumps(facts))
    assert "head: not running" in script.status(tmp_path)
    script.down(tmp_path)
    assert parent.poll() is None


def test_up_twice_and_down_without_up_are_refused(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no cluster was started in"):
        script.down(tmp_path)
    (tmp_path / "cluster.json").write_text("{}")
    with pytest.raises(SystemExit, match=r"and not ended; run: cluster\.py down"):
        script.up(tmp_path)


def test_the_token_is_readable_by_nobody_else(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "token").touch(mode=0o644)
    script.write_privately(tmp_path / "token", "abc")
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    assert (tmp_path / "token").read_text() == "abc"
