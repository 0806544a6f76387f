"""Every command refuses a store that is damaged or not its model's; other costs are no damage."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dynst.data import verification, verified
from dynst.data.decisions import replace_decisions
from dynst.data.manifest import Channel
from dynst.data.store import SensorStore, open_store
from dynst.data.writer import Origin, StoreWriter
from dynst.errors import ConfigError, DataError
from dynst_platform.commands.forecast.workflow import forecast
from dynst_platform.commands.promote.workflow import Decision, promote
from dynst_platform.commands.sensors.workflow import plan_of
from dynst_platform.config.files import check_job
from dynst_platform.config.job import JobSpec
from dynst_platform.config.opening import memory, open_here
from dynst_platform.config.stores import ablation_store_for, curve_store_for, find_store, store_for
from tests.damage import CONTENT, LABELS, TODAY, Damage, as_of_version, by_name
from tests.dynst_platform.model_registry.conftest import Trained

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)
REFUSED = r"import the data again|put the old file back"


@pytest.fixture
def copy(trained: Trained, tmp_path: Path) -> Path:
    """Of the store that the models were trained on."""
    return Path(shutil.copytree(trained.store.path, tmp_path / "copy"))


def job_of(store: Path) -> JobSpec:
    return check_job({"name": "small", "data": {"store": str(store)}})


def put(store: Path, **flags: float) -> Decision:
    return promote("small", "counters", flags, str(store), dry_run=True)


USES: dict[str, Callable[[Trained, Path], object]] = {
    "train": lambda _, store: store_for(job_of(store)),
    "curve": lambda _, store: curve_store_for(job_of(store)),
    "ablate": lambda _, store: ablation_store_for(job_of(store)),
    "sensors": lambda trained, store: plan_of(trained.runs["half"], str(store)),
    "promote": lambda _, store: put(store),
    "forecast": lambda trained, store: forecast(trained.runs["half"], str(store)),
}


@pytest.mark.parametrize("use", [pytest.param(use, id=name) for name, use in USES.items()])
@pytest.mark.parametrize("damage", ["reversed sensors", "bit in readings.arrow at 60%"])
def test_a_damaged_store_is_refused_by_every_command(
    trained: Trained, copy: Path, use: Callable[[Trained, Path], object], damage: str
) -> None:
    (CONTENT | TODAY)[damage](copy)
    with pytest.raises(DataError, match=REFUSED):
        use(trained, copy)


@pytest.mark.parametrize("damage", by_name(CONTENT | LABELS | TODAY))
def test_what_all_commands_open_stores_by_refuses_each_damage(
    own_home: Path, network: SensorStore, tmp_path: Path, damage: Damage
) -> None:
    store = Path(shutil.copytree(network.path, tmp_path / "copy"))
    assert find_store(str(store)).manifest == network.manifest
    damage(store)
    with pytest.raises(DataError, match=REFUSED):
        find_store(str(store))


@pytest.mark.parametrize("use", ["sensors", "promote"])
def test_a_plan_and_a_promotion_rely_on_no_memory(
    trained: Trained, copy: Path, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system reports no change at all, a training trusts what was verified; they do
    not.
    """
    monkeypatch.setattr(verified, "RECENT", -1e9)
    monkeypatch.setattr(verification, "file_key", lambda _, content="": f"as-it-was-{content}")
    open_here(copy)
    assert memory().is_dir()
    TODAY["bit in readings.arrow at 60%"](copy)
    open_here(copy)
    with pytest.raises(DataError, match=REFUSED):
        USES[use](trained, copy)


def imported_anew(store: SensorStore, path: Path, unit: str, order: slice) -> Path:
    """Whole, with another unit or the sensors in another order."""
    readings, sensors = store.readings, store.sensors
    assert sensors.positions is not None
    moved = replace(sensors, ids=sensors.ids[order], positions=sensors.positions[order])
    index = np.arange(len(sensors))[order]
    edges = replace(store.edges, source=index[store.edges.source], target=index[store.edges.target])
    values = np.where(readings.observed, readings.values, np.nan)[:, order]
    origin = Origin("again", positions="plane")
    with StoreWriter(path, origin, [Channel(name="flow", unit=unit)], moved, edges) as writer:
        writer.append(readings.time, values)
    return path


FORWARDS, BACKWARDS = slice(None), slice(None, None, -1)


@pytest.mark.parametrize(
    ("unit", "order", "message"),
    [
        ("veh/min", FORWARDS, "with units 'veh/h', but the store at .* has 'veh/min'"),
        ("veh/h", BACKWARDS, "the model was trained on data with digest"),
    ],
    ids=["unit", "order"],
)
def test_a_whole_store_that_is_not_the_models_is_refused(
    trained: Trained, tmp_path: Path, unit: str, order: slice, message: str
) -> None:
    other = imported_anew(trained.store, tmp_path / "other", unit, order)
    with pytest.raises(ConfigError, match=message):
        plan_of(trained.runs["half"], str(other))
    decision = put(other)
    assert not decision.promoted
    if unit != "veh/h":
        with pytest.raises(DataError, match=r"reads flow in veh/h, but the store at .* in veh/min"):
            forecast(trained.runs["half"], str(other))


def test_the_same_data_imported_anew_or_of_an_earlier_version_fit(
    trained: Trained, copy: Path, tmp_path: Path
) -> None:
    again = imported_anew(trained.store, tmp_path / "again", "veh/h", FORWARDS)
    as_of_version(2, copy)
    assert open_store(copy).manifest.digest != trained.store.manifest.digest
    plans = [plan_of(trained.runs["half"], str(store)) for store in (again, copy)]
    for plan in plans:
        assert plan.sensors["sensor"].tolist() == list(trained.store.sensors.ids)


def test_new_costs_are_in_the_plan_and_do_not_refuse_its_model(
    trained: Trained, copy: Path
) -> None:
    before = plan_of(trained.runs["half"], str(copy))
    costs = np.arange(1.0, 9.0)
    replace_decisions(copy, replace(trained.store.sensors, cost=costs))
    after = plan_of(trained.runs["half"], str(copy))
    assert after.sensors["cost"].tolist() == costs.tolist()
    assert after.cost_before == 36
    assert after.sensors.drop(columns="cost").equals(before.sensors.drop(columns="cost"))


@pytest.mark.usefixtures("measured_here")
def test_a_promotion_counts_the_costs_of_today(trained: Trained, copy: Path) -> None:
    replace_decisions(copy, replace(trained.store.sensors, cost=np.full(8, 10.0)))
    refused = put(copy, max_cost=5)
    assert not refused.promoted
    assert [reason.partition(": ")[2] for reason in refused.reasons] == [
        "its sensors cost 40 by the store's costs of today, at most 5 is allowed"
    ]
    promoted = put(copy)
    assert promoted.promoted
    assert "those that stay cost 40" in promoted.reasons[0]
