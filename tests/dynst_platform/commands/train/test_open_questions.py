"""A result that rests on an open question says so last, and in the JSON."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from dynst.data.manifest import Question
from dynst.data.manifest_file import write_manifest
from dynst.data.store import SensorStore, open_store
from dynst_platform.commands.train import workflow as use_case
from dynst_platform.commands.train.table import print_table
from dynst_platform.commands.train.workflow import Outcome
from dynst_platform.config.stores import open_questions
from dynst_platform.studies.output import print_study_places
from dynst_platform.studies.study import StudyOutcome
from dynst_platform.terminal.output import print_json
from dynst_platform.terminal.screen import Screen
from tests.dynst_platform.commands.train.test_train import small_job

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:mlflow", "ignore::FutureWarning:mlflow"
)


@pytest.fixture
def asking(network: SensorStore, tmp_path: Path) -> SensorStore:
    """The network with a value that nobody has decided on."""
    path = tmp_path / "asking"
    shutil.copytree(network.path, path)
    channel = network.channel_names[0]
    question = Question(channel=channel, value=-1, count=3, total=90, reason="the only one")
    manifest = network.manifest.model_copy(update={"questions": (question,)})
    write_manifest(path, manifest)
    return open_store(path)


@pytest.fixture
def outcome(asking: SensorStore, tracked_home: Path) -> Outcome:
    job = small_job(asking, training={"epochs": 2, "steps_per_epoch": 2, "batch_size": 4})
    return use_case.train(job, asking, lambda report: None, offline=True)


def test_a_training_says_last_what_it_took_for_a_reading(
    outcome: Outcome, asking: SensorStore, capsys: pytest.CaptureFixture[str]
) -> None:
    (text,) = outcome.open_questions
    assert text.startswith("trained with -1 as a reading: open question: ")
    assert f"dynst data answer {asking.path} missing=-1" in text
    print_table(outcome)
    assert capsys.readouterr().out.splitlines()[-1] == f"? {text}"
    print_json(outcome)
    assert json.loads(capsys.readouterr().out)["open_questions"] == [text]


def test_a_store_without_questions_rests_on_none(network: SensorStore) -> None:
    assert open_questions(small_job(network), network) == []


def test_a_study_says_it_last(capsys: pytest.CaptureFixture[str]) -> None:
    study = StudyOutcome(
        run_id="r",
        experiment="e",
        num_sensors=3,
        unit="",
        references={},
        artifacts={"picture": "p.png"},
        attribution="",
        open_questions=["trained with -1 as a reading"],
    )
    print_study_places(Screen(), study)
    assert capsys.readouterr().out.splitlines()[-1] == "? trained with -1 as a reading"
    print_study_places(Screen(), replace(study, open_questions=[]))
    assert "?" not in capsys.readouterr().out


@pytest.mark.parametrize(("ratio", "words"), [(0.5, "2.00 × as long"), (2.5, "2.50 × as fast")])
def test_a_slower_inference_is_not_called_fast(
    outcome: Outcome, ratio: float, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_table(replace(outcome, efficiency=outcome.efficiency | {"speed_up": ratio}))
    assert words in capsys.readouterr().out
