"""Promotion on a real tracking store: who gets in, who is refused with what reason, and that a
refusal changes nothing.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

from dynst.errors import ConfigError
from dynst_platform.commands.promote import workflow
from dynst_platform.commands.promote.workflow import Decision, promote
from dynst_platform.errors import RunError
from dynst_platform.model_registry.full_history import full_history_of
from dynst_platform.model_registry.lock import alone_with
from dynst_platform.model_registry.references import model_id_of
from dynst_platform.model_registry.rollback import roll_back
from dynst_platform.model_registry.versions import champion_of, history_of
from tests.conftest import write_network
from tests.dynst_platform.model_registry.conftest import Trained

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)
NAME = "counters"


def put(
    experiment: str = "small", dry_run: bool = False, store: str | None = None, **flags: Any
) -> Decision:
    return promote(experiment, NAME, flags, store, dry_run)


def registry(trained: Trained) -> Any:
    models = trained.client.search_registered_models()
    return [(model.name, dict(model.aliases), dict(model.tags)) for model in models]


def test_the_best_becomes_champion_with_its_reasons(trained: Trained) -> None:
    decision = put()
    assert decision.promoted
    assert (decision.version, decision.run_id, decision.champion_before) == (
        1,
        trained.runs["half"],
        None,
    )
    version = trained.client.get_model_version_by_alias(NAME, "champion")
    assert int(version.version) == 1
    assert version.run_id == trained.runs["half"]
    assert version.tags["dynst.data_digest"] == trained.store.manifest.digest
    assert float(version.tags["dynst.mae_all"]) == pytest.approx(decision.candidate["mae_all"])
    assert decision.candidate["sparsity"] == 0.5
    assert "there was no champion" in version.tags["dynst.reasons"]
    assert [model.name for model in trained.client.search_registered_models()] == [NAME], (
        "the lock is gone"
    )


@pytest.mark.usefixtures("measured_here")
def test_a_better_one_takes_its_place_and_gives_it_back(trained: Trained) -> None:
    put()
    decision = put("other")
    assert decision.promoted
    assert (decision.version, decision.champion_before) == (2, 1)
    assert decision.champion["sparsity"] == 0.5, "measured anew beside it"
    done = roll_back(trained.client, NAME)
    assert (done.now.number, done.before, done.passed_over) == (1, 2, ())
    events = history_of(trained.client, NAME)
    assert [(event.what, event.version, event.before) for event in events] == [
        ("promoted", 1, None),
        ("promoted", 2, 1),
        ("rolled back", 1, 2),
    ]
    with pytest.raises(ConfigError, match="its first champion"):
        roll_back(trained.client, NAME)


@pytest.mark.usefixtures("measured_here")
def test_a_dearer_one_is_refused(trained: Trained) -> None:
    put("other")
    before = registry(trained)
    decision = put("small")
    assert not decision.promoted
    assert decision.reasons == [
        "its sensors cost 4, the champion's 3, and the champion meets the policy too"
    ]
    assert registry(trained) == before


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"min_sparsity": 0.9}, "none of 2 trainings meets the policy"),
        ({"min_seeds": 2}, "none of 2 trainings meets the policy"),
    ],
)
def test_a_policy_that_nobody_meets(trained: Trained, flags: dict[str, Any], reason: str) -> None:
    decision = put(**flags)
    assert not decision.promoted
    assert decision.reasons[0] == reason
    assert len(decision.reasons) == 3, "each with its own figures"
    assert registry(trained) == []


@pytest.mark.usefixtures("measured_here")
def test_it_is_measured_on_a_gpu_only_where_there_is_one(trained: Trained) -> None:
    """By a process of its own, whatever the job said of the machines that trained it."""
    if torch.cuda.is_available():
        pytest.skip("there is one")
    decision = promote("small", NAME, {}, None, dry_run=True, use_gpu=True)
    assert not decision.promoted
    assert "cluster.use_gpu must be auto or false" in decision.reasons[0]


def test_a_dry_run_changes_nothing(trained: Trained) -> None:
    assert put(dry_run=True).promoted
    assert registry(trained) == []


@pytest.mark.usefixtures("measured_here")
def test_the_same_run_is_not_promoted_twice(trained: Trained) -> None:
    put()
    decision = put()
    assert not decision.promoted
    assert "is the champion already, as version 1" in decision.reasons[0]


def weights_of(trained: Trained, name: str) -> Path:
    (model,) = trained.client.get_run(trained.runs[name]).outputs.model_outputs
    (path,) = (trained.home / "artifacts").rglob(
        f"{model.model_id}/artifacts/artifacts/*/weights.safetensors"
    )
    return path


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def test_where_every_model_was_changed_each_is_refused(trained: Trained) -> None:
    damage(weights_of(trained, "half"))
    damage(weights_of(trained, "quarter"))
    decision = put()
    assert not decision.promoted
    assert len(decision.reasons) == 2
    assert all("are not those that were logged" in reason for reason in decision.reasons)
    assert registry(trained) == []


@pytest.mark.usefixtures("measured_here")
def test_the_next_is_promoted_where_the_best_was_changed(trained: Trained) -> None:
    damage(weights_of(trained, "half"))
    decision = put()
    assert decision.promoted
    assert decision.run_id == trained.runs["quarter"]
    (passed_over,) = decision.passed_over
    assert "are not those that were logged" in passed_over
    (event,) = history_of(trained.client, NAME)
    assert "passed over: run" in event.why


@pytest.mark.usefixtures("measured_here")
def test_a_champion_that_was_changed_is_replaced_only_where_asked_for(trained: Trained) -> None:
    put()
    damage(weights_of(trained, "half"))
    before = registry(trained)
    decision = put("other")
    assert not decision.promoted
    assert decision.reasons[0].startswith("the champion, version 1, cannot be compared: ")
    assert "(--replace-unusable)" in decision.reasons[0]
    assert registry(trained) == before
    decision = promote("other", NAME, {}, None, dry_run=False, replace_unusable=True)
    assert decision.promoted
    assert "version 1, cannot be compared" in decision.reasons[-1]
    assert champion_of(trained.client, NAME).number == 2  # type: ignore[union-attr]


@pytest.mark.usefixtures("measured_here")
def test_figures_that_do_not_come_out_again_pass_a_model_over(trained: Trained) -> None:
    logged = trained.client.get_run(trained.runs["half"]).data.metrics["model/mae_all"]
    trained.client.log_metric(trained.runs["half"], "model/mae_all", 0.123, step=98)
    decision = put(dry_run=True)
    trained.client.log_metric(trained.runs["half"], "model/mae_all", logged, step=99)
    assert decision.run_id == trained.runs["quarter"]
    assert "when measured anew, but 0.123 was logged" in decision.passed_over[0]


@pytest.mark.usefixtures("measured_here")
def test_a_version_that_was_registered_by_hand_is_a_champion_too(trained: Trained) -> None:
    client = trained.client
    client.create_registered_model(NAME)
    (model,) = client.get_run(trained.runs["half"]).outputs.model_outputs
    client.create_model_version(NAME, f"models:/{model.model_id}")
    client.set_registered_model_alias(NAME, "champion", "1")
    decision = put("other")
    assert decision.promoted
    assert (decision.champion_before, decision.champion["sparsity"]) == (1, 0.5)
    client.create_model_version(NAME, str(trained.home))
    client.set_registered_model_alias(NAME, "champion", "3")
    refused = put("small")
    assert "another program registered it" in refused.reasons[0]
    done = roll_back(client, NAME)
    assert (done.now.number, done.before) == (2, 3)
    assert [(event.what, event.version, event.before) for event in history_of(client, NAME)] == [
        ("moved by hand", 1, None),
        ("promoted", 2, 1),
        ("moved by hand", 3, 2),
        ("rolled back", 2, 3),
    ]


@pytest.mark.usefixtures("measured_here")
def test_a_champion_whose_version_was_deleted_is_gone_back_from(trained: Trained) -> None:
    client = trained.client
    put()
    put("other")
    client.delete_model_version(NAME, "2")
    with pytest.raises(ConfigError, match=r"has no champion now; it has versions 1 .*--rollback"):
        model_id_of(client, "x", NAME)
    assert "version 2 was removed by hand" in put("other", dry_run=True).reasons[-1]
    done = roll_back(client, NAME)
    assert (done.now.number, done.before) == (1, None)
    assert done.passed_over == ("version 2 is passed over, since it was deleted",)
    found = full_history_of(client, NAME)
    assert [event.what for event in found.events][-2:] == ["removed by hand", "rolled back"]
    assert found.notes == ["version 2 was deleted since"]


@pytest.mark.usefixtures("measured_here")
def test_a_rollback_passes_over_models_that_are_gone(trained: Trained) -> None:
    client = trained.client
    put("small", min_sparsity=0.1, max_cost=9)
    put("other")
    shutil.rmtree(weights_of(trained, "half").parents[2])
    with pytest.raises(ConfigError, match=r"left to go back to: version 1 .* files of its model"):
        roll_back(client, NAME)
    assert champion_of(client, NAME).number == 2  # type: ignore[union-attr]


def test_other_data_are_refused(trained: Trained, tmp_path: Path) -> None:
    other = write_network(tmp_path / "other", seed=1)
    decision = put(store=str(other.path))
    assert not decision.promoted
    assert "the model was trained on data with digest" in decision.reasons[0]
    assert registry(trained) == []


def test_what_is_not_there(trained: Trained) -> None:
    there = {each.name for each in trained.client.search_experiments()} - {"Default"}
    names = ", ".join(sorted(there))
    with pytest.raises(ConfigError, match=f"has no experiment 'nowhere'; it has {names}$"):
        put("nowhere")
    assert {"other", "small"} <= there
    with pytest.raises(ConfigError, match="has no champion"):
        roll_back(trained.client, NAME)
    with pytest.raises(ConfigError, match="the registry has no model"):
        history_of(trained.client, NAME)


def test_an_unreachable_server_is_said(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(RunError, match=r"the tracking store http://127\.0\.0\.1:9 cannot be used"):
        put()


@pytest.mark.usefixtures("measured_here")
def test_one_that_died_with_the_lock_is_named(trained: Trained) -> None:
    with alone_with(trained.client, NAME):
        waiting = alone_with(trained.client, NAME, wait=1)
        with pytest.raises(
            RunError, match=r"under way for 1 s \(by .*dynst registry unlock counters"
        ):
            waiting.__enter__()
    assert champion_of(trained.client, NAME) is None
    assert put().promoted


def test_a_lock_that_goes_while_we_ask_for_it_is_asked_for_again(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow answers "not found" to a create that met a lock which its holder deleted in that
    moment.
    """
    asked: list[str] = []
    client = trained.client
    create = client.create_registered_model

    def met_one_that_went(name: str, *rest: Any, **named: Any) -> Any:
        if name != NAME:
            asked.append(name)
        if len(asked) == 1:
            raise MlflowException(
                f"Registered Model with name={name} not found", error_code=RESOURCE_DOES_NOT_EXIST
            )
        return create(name, *rest, **named)

    monkeypatch.setattr(client, "create_registered_model", met_one_that_went)
    with alone_with(client, NAME):
        assert len(asked) == 2


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("measured", "nothing was changed in 'counters'"),
        ("_moved", "says dynst registry history counters"),
    ],
)
@pytest.mark.usefixtures("trained")
def test_a_stopped_promotion_says_where_it_stood(
    where: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, where, stopped)
    with pytest.raises(KeyboardInterrupt) as raised:
        put()
    assert words in raised.value.__notes__[0]
