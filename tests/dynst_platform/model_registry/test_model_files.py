"""Every file of a logged model is covered: what was changed is refused before any of it is used."""

from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow.entities import LoggedModel

import dynst_platform
from dynst.errors import ArtifactError
from dynst_platform.commands.export.workflow import export
from dynst_platform.commands.forecast.workflow import forecast
from dynst_platform.commands.promote.workflow import Decision, promote
from dynst_platform.commands.sensors.workflow import plan_of
from dynst_platform.tracking.model_files import FILES_TAG
from tests.dynst_platform.model_registry.conftest import Trained

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"),
    pytest.mark.usefixtures("measured_here"),
]
PLANT = "\nopen({path!r}, 'w').write('it ran')\n"


def logged(trained: Trained) -> LoggedModel:
    (output,) = trained.client.get_run(trained.runs["half"]).outputs.model_outputs
    return trained.client.get_logged_model(output.model_id)


@pytest.fixture
def root(trained: Trained) -> Path:
    """The folder of the logged model."""
    (path,) = (trained.home / "artifacts").rglob(f"{logged(trained).model_id}/artifacts/MLmodel")
    return path.parent


def put() -> Decision:
    """Of the half alone, since one that is refused gives way to the next."""
    return promote("small", "counters", {"min_sparsity": 0.4}, None, dry_run=False)


def append(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(path.read_bytes() + text.encode())


def flip(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))


def create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("1")


CHANGES: list[tuple[str, str, Callable[[Path], None]]] = [
    ("serving_model.py", "changed", append(PLANT)),
    ("code/dynst/__init__.py", "changed", append(PLANT)),
    ("code/dynst/models/graph/stream_morph.py", "changed", append(PLANT)),
    ("MLmodel", "changed", append("\nmetadata: {a: 1}\n")),
    ("requirements.txt", "changed", append("\nsomething==1\n")),
    ("python_env.yaml", "changed", append("\n# another\n")),
    ("conda.yaml", "changed", append("\n# another\n")),
    ("input_example.json", "changed", append(" ")),
    ("artifacts/MODEL/weights.safetensors", "changed", flip),
    ("artifacts/MODEL/model.json", "changed", append(" ")),
    ("code/numpy.py", "added", create),
    ("code/dynst/plain.pyc", "added", create),
    ("artifacts/another/model.json", "added", create),
    ("code/registered_model_meta", "added", create),
    ("code/dynst/errors.py", "missing", Path.unlink),
    ("serving_input_example.json", "missing", Path.unlink),
]


@pytest.mark.parametrize(
    ("name", "kind", "change"), CHANGES, ids=[f"{b}-{a}" for a, b, _ in CHANGES]
)
def test_a_change_is_refused_by_its_name(
    trained: Trained,
    root: Path,
    tmp_path: Path,
    name: str,
    kind: str,
    change: Callable[[Path], None],
) -> None:
    (model,) = (path.name for path in (root / "artifacts").iterdir())
    name = name.replace("MODEL", model)
    change(root / name)
    planted, run = tmp_path / "planted", trained.runs["half"]
    if kind == "changed" and name.endswith(".py"):
        text = (root / name).read_text().replace("{path!r}", repr(str(planted)))
        (root / name).write_text(text)
    said = rf"are not those that were logged \({kind}: {name}\)"
    with pytest.raises(ArtifactError, match=said):
        forecast(run, str(trained.store.path))
    with pytest.raises(ArtifactError, match=said):
        dynst_platform.load_model(run)
    decision = put()
    assert not decision.promoted
    assert f"({kind}: {name})" in decision.reasons[0]
    assert trained.client.search_registered_models() == []
    assert not planted.exists(), "it was refused before any of it ran"


def test_every_command_that_uses_a_model_checks_it(
    trained: Trained, root: Path, tmp_path: Path
) -> None:
    append("\n")(root / "serving_model.py")
    run = trained.runs["half"]
    with pytest.raises(ArtifactError, match=r"changed: serving_model\.py"):
        plan_of(run, None)
    with pytest.raises(ArtifactError, match=r"changed: serving_model\.py"):
        export(run, "torch-export", tmp_path / "model.pt2")
    assert list(tmp_path.glob("*.pt2")) == []


def test_a_list_that_was_written_anew_does_not_help(trained: Trained, root: Path) -> None:
    from dynst_platform.tracking.model_files import write_list

    append("\n")(root / "serving_model.py")
    write_list(root)
    with pytest.raises(ArtifactError, match=r"their list dynst_files\.json was changed too"):
        forecast(trained.runs["half"], str(trained.store.path))


def test_a_list_of_a_later_version_is_said(trained: Trained) -> None:
    model = logged(trained)
    trained.client.set_logged_model_tags(model.model_id, {FILES_TAG: "2:abc"})
    try:
        with pytest.raises(ArtifactError, match="must be of version 1, but is of version 2"):
            forecast(trained.runs["half"], str(trained.store.path))
    finally:
        trained.client.set_logged_model_tags(model.model_id, {FILES_TAG: model.tags[FILES_TAG]})


def test_what_mlflow_and_python_add_is_exempt(trained: Trained, root: Path) -> None:
    """A registered model that is loaded in place of a copy leaves files in the tracking store."""
    mlflow.register_model(f"models:/{logged(trained).model_id}", "plain")
    mlflow.pyfunc.load_model("models:/plain/1")
    assert (root / "registered_model_meta").exists()
    create(root / "code" / "dynst" / "__pycache__" / "errors.cpython-311.pyc")
    assert len(forecast(trained.runs["half"], str(trained.store.path)).table) == 3
    assert put().promoted


def test_a_loaded_model_forecasts_as_the_command_does(trained: Trained) -> None:
    put()
    expected = mlflow.pyfunc.load_model(f"models:/{logged(trained).model_id}")
    for reference in (trained.runs["half"], "counters", "counters/1"):
        model = dynst_platform.load_model(reference)
        assert model.model_id == logged(trained).model_id
        assert model.metadata.signature is not None
        pd.testing.assert_frame_equal(
            model.predict(model.input_example), expected.predict(expected.input_example)
        )


@pytest.fixture
def of_an_earlier_dynst(trained: Trained, root: Path) -> Iterator[Path]:
    """The logged model as it was before the list: its tag covers weights and description."""
    model = logged(trained)
    trained.client.delete_logged_model_tag(model.model_id, FILES_TAG)
    (root / "dynst_files.json").unlink()
    yield root
    trained.client.set_logged_model_tags(model.model_id, {FILES_TAG: model.tags[FILES_TAG]})


def test_an_older_tag_is_verified_by_its_own_rule(
    trained: Trained, of_an_earlier_dynst: Path, tmp_path: Path
) -> None:
    """Its code is not covered, and not run either: neither by a command nor by our loading."""
    planted = tmp_path / "planted"
    append(PLANT.format(path=str(planted)))(of_an_earlier_dynst / "serving_model.py")
    append(PLANT.format(path=str(planted)))(of_an_earlier_dynst / "code" / "dynst" / "errors.py")
    forecast(trained.runs["half"], str(trained.store.path))
    model = dynst_platform.load_model(trained.runs["half"])
    assert len(model.predict(model.input_example)) == 3
    decision = put()
    assert decision.promoted
    assert any("not code and requirements" in reason for reason in decision.reasons)
    assert not planted.exists()
    (weights,) = of_an_earlier_dynst.rglob("weights.safetensors")
    flip(weights)
    with pytest.raises(ArtifactError, match="are not those that were logged: their digest is"):
        forecast(trained.runs["half"], str(trained.store.path))


def test_a_promotion_of_a_covered_model_says_nothing_of_it(trained: Trained) -> None:
    assert not any("covers" in reason for reason in put().reasons)


def test_a_tag_that_was_removed_is_not_an_older_model(
    trained: Trained, of_an_earlier_dynst: Path
) -> None:
    create(of_an_earlier_dynst / "dynst_files.json")
    with pytest.raises(ArtifactError, match=r"must have the tag dynst\.files"):
        forecast(trained.runs["half"], str(trained.store.path))
