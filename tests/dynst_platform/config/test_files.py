from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dynst.errors import ConfigError
from dynst.notices import NOTICES, notice
from dynst_platform.config.files import (
    check_job,
    dump_spec,
    load_job,
    parse_assignment,
    with_overrides,
)
from dynst_platform.config.job import JobSpec
from dynst_platform.config.sweep import SweepSpec

JOBS = Path(__file__).parents[3] / "jobs"
MINIMAL = {"name": "x", "data": {"store": "somewhere"}}


@pytest.mark.parametrize("path", sorted(JOBS.glob("*.yaml")), ids=lambda path: path.stem)
def test_golden_jobs_are_valid_and_survive_a_round_trip(path: Path, tmp_path: Path) -> None:
    job = load_job(path)
    (tmp_path / "resolved.yaml").write_text(dump_spec(job))
    assert load_job(tmp_path / "resolved.yaml") == job
    assert job.name == path.stem


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"sparsity.finl": 0.5}, "unknown key 'sparsity.finl'; did you mean 'final'?"),
        ({"sparsty": {}}, "unknown key 'sparsty'; did you mean 'sparsity'?"),
        ({"sparsity.final": 1.2}, "'sparsity.final' must be less than 1, but got 1.2"),
        ({"training.epochs": "ten"}, "'training.epochs' must be an integer, but got 'ten'"),
        (
            {"training.compile": "maybe"},
            "'training.compile' must be a boolean or 'auto', but got 'maybe'",
        ),
        ({"training.epochs": 0}, "'training.epochs' must be greater than or equal to 1, but got 0"),
        (
            {"sparsity.scheme": "magic"},
            "'sparsity.scheme' must be 'dynamic', 'iterative', 'one_shot' or 'searched', but got "
            "'magic'",
        ),
        (
            {"curve.fine_tune_at": [0.65]},
            "job.yaml: curve.fine_tune_at must be some of curve.sparsities, but got 0.65",
        ),
        (
            {"curve.baselines": ["randm"]},
            "'curve.baselines.0' must be 'random', 'variance', 'farthest_point'",
        ),
        ({"curve.seeds": [0, 1, 0]}, "'curve.seeds' must name each entry once, but got [0, 1, 0]"),
        ({"references.baselines": ["hubs"]}, "'references.baselines.0' must be 'variance'"),
        ({"search.round": 3}, "unknown key 'search.round'; did you mean 'rounds'?"),
        (
            {"sparsity.start": 0.8},
            "sparsity.start must be below sparsity.stop, but got 0.8 and 0.75",
        ),
        (
            {"cluster.num_workers": -1},
            "'cluster.num_workers' must be a number of workers, 0 for none on Ray, or [fewest, "
            "most]",
        ),
        ({"cluster.num_workers": [0, 2]}, "with 1 <= fewest <= most, but got [0, 2]"),
        ({"cluster.num_workers": [3, 2]}, "with 1 <= fewest <= most, but got [3, 2]"),
        ({"cluster.num_workers": [1, 2, 3]}, "with 1 <= fewest <= most, but got [1, 2, 3]"),
        ({"cluster.num_workers": 1.5}, "with 1 <= fewest <= most, but got 1.5"),
        (
            {"cluster.num_workers": [1, 65]},
            "training.batch_size must be at least cluster.num_workers, but got 64 and 65",
        ),
        (
            {"cluster.num_workers": 3, "training.parts": 8, "training.parts_per_step": 2},
            "training.parts_per_step must be at least cluster.num_workers, but got 2 and 3",
        ),
        (
            {"training.sharding": "time", "training.parts_per_step": 65},
            "training.batch_size must be at least training.parts_per_step, but got 64 and 65",
        ),
        ({"data": {}}, "'data.store' is required, but absent"),
        ({"name": "a b/c"}, "'name' must match"),
        ({"model": 3}, "'model' must be"),
        ({"sparsity.final": 1.2, "seed": -1}, r"\(and 1 more\)"),
    ],
)
def test_a_wrong_job_is_one_clear_sentence(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_job(with_overrides(MINIMAL, overrides), where="job.yaml")
    text = str(caught.value)
    assert text.startswith("job.yaml: ")
    assert "\n" not in text
    if message.startswith("\\"):
        assert "(and 1 more)" in text
    else:
        assert message.replace("\\", "") in text


def test_a_budget_takes_the_place_of_the_final_share(tmp_path: Path) -> None:
    job = check_job(with_overrides(MINIMAL, {"sparsity.budget": 7}))
    assert job.sparsity.final is None
    assert check_job(MINIMAL).sparsity.final == 0.5
    (tmp_path / "resolved.yaml").write_text(dump_spec(job))
    assert load_job(tmp_path / "resolved.yaml") == job


@pytest.mark.parametrize(
    ("given", "fewest", "most"), [(0, 0, 0), (3, 3, 3), ([2, 2], 2, 2), ([1, 4], 1, 4)]
)
def test_workers_are_a_number_or_fewest_and_most(
    given: object, fewest: int, most: int, tmp_path: Path
) -> None:
    job = check_job(with_overrides(MINIMAL, {"cluster.num_workers": given}))
    assert (job.cluster.fewest_workers, job.cluster.most_workers) == (fewest, most)
    (tmp_path / "resolved.yaml").write_text(dump_spec(job))
    assert load_job(tmp_path / "resolved.yaml") == job


def test_a_missing_file_names_its_neighbours() -> None:
    with pytest.raises(
        ConfigError, match=r"no job file at .*quickstrt\.yaml; beside it: .*quickstart\.yaml"
    ):
        load_job(JOBS / "quickstrt.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [("a: [", "is no YAML"), ("- 1\n", "must hold a mapping"), ("", "must hold a mapping")],
)
def test_a_broken_file(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "job.yaml").write_text(content)
    with pytest.raises(ConfigError, match=message):
        load_job(tmp_path / "job.yaml")


def test_overrides_replace_without_touching_the_original() -> None:
    before = {"a": {"b": 1, "c": 2}, "d": 3}
    assert with_overrides(before, {"a.b": 9, "e.f.g": 4}) == {
        "a": {"b": 9, "c": 2},
        "d": 3,
        "e": {"f": {"g": 4}},
    }
    assert before == {"a": {"b": 1, "c": 2}, "d": 3}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b=5", ("a.b", 5)),
        ("a=0.5", ("a", 0.5)),
        ("a=[1, 2]", ("a", [1, 2])),
        ("a=x=y", ("a", "x=y")),
        ("a=null", ("a", None)),
    ],
)
def test_assignments(text: str, expected: tuple[str, object]) -> None:
    assert parse_assignment(text) == expected


@given(st.text())
def test_any_assignment_is_parsed_or_refused(text: str) -> None:
    try:
        key, _ = parse_assignment(text)
    except ConfigError:
        return
    assert key


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["name", "data", "model", "seed", "sparsity", "x"]), VALUES))
def test_any_document_without_a_store_is_refused_in_one_sentence(
    document: dict[str, object],
) -> None:
    with pytest.raises(ConfigError, match=r"^job: [^\n]+$"):
        check_job(document)


@pytest.mark.parametrize(
    "key",
    [
        "data.store",
        "references.given",
        "curve.given",
        "cluster.checkpoints",
        "cluster.address",
        "model.backbone.name",
        "model.backbone.options.weights",
        "data.targets",
        "name",
        "no_such_key",
    ],
)
@pytest.mark.parametrize(
    "address", ["s3://key:hunter2@bucket/x", "abfs://b/x?sas_token=hunter2", "Server=h;Pwd=hunter2"]
)
def test_no_text_of_a_job_or_sweep_may_hold_credentials(key: str, address: str) -> None:
    value = [address] if key == "data.targets" else address
    job = with_overrides({"name": "small", "data": {"store": "/store"}}, {key: value})
    sweep = {"name": "s", "job": job, "space": {"training.epochs": {"choice": [1]}}}
    for model, document in ((JobSpec, job), (SweepSpec, sweep)):
        with pytest.raises(ValidationError) as refused:
            model.model_validate(document)
        said = refused.value.errors()[0]["msg"]
        assert f"{key} must be an address without credentials" in said
        assert "hunter2" not in said


def test_a_recorded_job_is_read_without_its_credentials(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("name: a\ndata: {store: /x}\ncurve: {given: 's3://k:hunter2@b/x'}\n")
    with pytest.raises(ConfigError, match="must be an address without credentials"):
        load_job(path)
    assert load_job(path, recorded=True).curve.given == "s3://b/x"


@pytest.mark.parametrize(
    ("workers", "parts", "in_a_step"), [(0, 8, 1), (2, 8, 2), (3, 8, 4), ([1, 3], 8, 4), (5, 5, 5)]
)
def test_shares_of_a_cut_network_have_equally_many_parts(
    workers: object, parts: int, in_a_step: int
) -> None:
    changes = {"cluster.num_workers": workers, "training.parts": parts}
    assert check_job(with_overrides(MINIMAL, changes), "job").training.parts_per_step == in_a_step


def test_a_cut_network_is_not_shared_out_by_time_and_that_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    changes = {"training.sharding": "time", "training.parts": 4}
    notice.cache_clear()
    with caplog.at_level("WARNING", NOTICES):
        job = check_job(with_overrides(MINIMAL, changes), "job")
    assert job.training.sharding == "windows"
    assert "training.sharding is for networks that are not cut" in caplog.text


def test_a_setting_that_fits_none_of_its_forms_is_one_problem() -> None:
    with pytest.raises(ConfigError, match=r"'auto', but got 'maybe'$"):
        check_job({"data": {"store": "x"}, "name": "a", "cluster": {"use_gpu": "maybe"}})
