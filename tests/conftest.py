"""Small real-shaped networks that every test can build in milliseconds."""

import base64
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import psutil
import pytest
from hypothesis import settings
from scipy.signal import lfilter

from benchmarks.support.ray_nodes import write_token
from dynst.data.edges import nearest_neighbour_edges
from dynst.data.lattice import cell_ids, cell_positions, grid_edges
from dynst.data.manifest import Channel, Grid
from dynst.data.sensor_table import Sensors
from dynst.data.store import SensorStore, open_store
from dynst.data.writer import Origin, StoreWriter
from infra.local.postgres import Database, NoPostgres, database

HOUR = 3600
SHARED = (
    "ray_head",
    "model_registry.conftest",
)  # words of the files that share a Ray, or a few trainings
MEMORY_EACH = 2 * 2**30  # of a process that runs tests, with what it starts
SMALL = {"name": "morph_graph", "options": {"blocks": 1}}  # a backbone that trains in a moment
ONE_PIXEL = base64.b64decode(  # a PNG
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
MONDAY = 1_672_617_600  # 2023-01-02 00:00


def write_network(
    path: Path, num_sensors: int = 8, num_steps: int = 24 * 7 * 6, seed: int = 0, channels: int = 1
) -> SensorStore:
    """Hourly counts that share a daily cycle and two slow common waves.

    Some readings are missing.
    """
    rng = np.random.default_rng(seed)
    time = MONDAY + HOUR * np.arange(num_steps)
    wave = lfilter([1], [1, -0.9], rng.normal(size=(num_steps, 2)), axis=0)
    cycle = np.sin(2 * np.pi * np.arange(num_steps) / 24)[:, None]
    loads = rng.normal(size=(2, num_sensors))
    values = (
        20
        + 5 * cycle * rng.uniform(0.5, 2, num_sensors)
        + wave @ loads
        + rng.normal(size=(num_steps, num_sensors)) * 0.2
    )
    values = np.stack([values * (1 + channel) for channel in range(channels)], axis=-1).astype(
        np.float32
    )
    values[rng.random(values.shape) < 0.02] = np.nan
    positions = rng.uniform(0, 1, (num_sensors, 2))
    sensors = Sensors(tuple(f"s{index}" for index in range(num_sensors)), positions)
    edges = nearest_neighbour_edges(positions, lonlat=False, neighbours=3)
    names = [
        Channel(name=f"flow{index}" if index else "flow", unit="veh/h") for index in range(channels)
    ]
    with StoreWriter(
        path, Origin("test network", positions="plane"), names, sensors, edges
    ) as store:
        for block in np.array_split(np.arange(num_steps), 3):
            store.append(time[block], values[block])
    return open_store(path)


def write_grid(
    path: Path,
    height: int,
    width: int,
    *,
    num_steps: int = 400,
    channels: int = 1,
    blank: Sequence[tuple[int, int]] = (),
    sensors: Sensors | None = None,
    positions: Literal["lonlat", "plane"] = "plane",
    seed: int = 0,
) -> SensorStore:
    """Hourly cells over which smooth waves travel.

    The cells ``blank`` are never observed, and some readings are missing.
    """
    rng = np.random.default_rng(seed)
    row, column = np.divmod(np.arange(height * width), width)
    time = np.arange(num_steps)
    phase = (
        (row * 0.7 + column * 0.4)[None, :, None] + time[:, None, None] * 0.35 + np.arange(channels)
    )
    values = (
        50 + 10 * np.sin(phase) + rng.normal(size=(num_steps, height * width, channels))
    ).astype(np.float32)
    values[rng.random(values.shape) < 0.01] = np.nan
    for place in blank:
        values[:, place[0] * width + place[1]] = np.nan
    names = [Channel(name=f"c{index}", unit="K") for index in range(channels)]
    origin = Origin("test grid", positions=positions, grid=Grid(height=height, width=width))
    sensors = sensors or Sensors(cell_ids(height, width), cell_positions(height, width))
    with StoreWriter(path, origin, names, sensors, grid_edges(height, width)) as store:
        store.append(MONDAY + HOUR * time, values)
    return open_store(path)


settings.register_profile("quick", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=2000, deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--nightly",
        action="store_true",
        help="Also run what is marked nightly, and property tests at length.",
    )


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("nightly" if config.getoption("--nightly") else "quick")
    if (
        "PYTEST_XDIST_WORKER" not in os.environ
    ):  # processes of this one find the token in their environment
        folder = Path(tempfile.mkdtemp(prefix="dynst-token-"))
        config.add_cleanup(lambda: shutil.rmtree(folder))
        write_token(folder / "token")
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(folder / "token")
        os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (by default 15: on a busy machine its workers would hardly run)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes longest comes first."""
    left_out = {
        item
        for item in items
        if item.get_closest_marker("nightly") and not config.getoption("--nightly")
    }
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = sorted((item for item in items if item not in left_out), key=_turn)


def _turn(item: pytest.Item) -> int:
    """The tests on the shared Ray come first, then other real processes, then the many quick
    ones.
    """
    if "ray_head" in getattr(item, "fixturenames", ()):
        return 0
    return 1 if item.get_closest_marker("process") or item.get_closest_marker("browser") else 2


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """A file's tests run in one process, and in one all files whose tests share what takes long to
    make.

    xdist's own marks of groups are lost under pytest 9.2.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            text = _text_of(config.rootpath / path)
            return next((shared for shared in SHARED if shared in text), path)

    return ByFile(config, log)


@cache
def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def pytest_xdist_auto_num_workers() -> int:
    """One more than this process may use CPUs, since real processes are waited for.

    Fewer where memory is small.
    """
    return max(
        1,
        min(len(os.sched_getaffinity(0)) + 1, int(psutil.virtual_memory().available / MEMORY_EACH)),
    )


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> SensorStore:
    return write_network(tmp_path_factory.mktemp("stores") / "network")


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own, so that no run touches another's."""
    monkeypatch.setenv("DYNST_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / "home"


@pytest.fixture(scope="session")
def tracking_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty tracking store of MLflow; to create one takes a second, to copy it a hundredth."""
    path = tmp_path_factory.mktemp("tracking") / "mlflow.db"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow.tracking import MlflowClient

        MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def tracked_home(own_home: Path, tracking_template: Path) -> Path:
    """A home folder of the test's own, with a tracking store that is ready."""
    return with_tracking_store(own_home, tracking_template)


def with_tracking_store(home: Path, template: Path) -> Path:
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, home / "mlflow.db")
    return home


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Database]:
    try:
        with database() as served:
            yield served
    except NoPostgres as error:
        pytest.skip(str(error))


@pytest.fixture
def quick_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are put together as ever and saved as one pixel.

    For tests that do not look at them.
    """
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", save_one_pixel)


def save_one_pixel(figure: object, path: Path, **_: object) -> None:
    Path(path).write_bytes(ONE_PIXEL)


def shared_data() -> Path:
    """The folder of real data sets that some machines have beside the checkout."""
    return Path(os.environ.get("DYNST_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
