"""Text of settings: what is hostile or ambiguous is one sentence, whatever it is."""

import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dynst.errors import ConfigError
from dynst_platform.config.documents import parse_json, parse_yaml
from dynst_platform.config.files import (
    check_job,
    load_either,
    load_job,
    load_sweep,
    parse_assignment,
    with_overrides,
)

JOBS = sorted((Path(__file__).parents[3] / "jobs").rglob("*.yaml"))
MINIMAL: dict[str, Any] = {"name": "x", "data": {"store": "somewhere"}}
ALIASES = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{','.join([f'*{before}'] * 9)}]}}\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ALIASES, "stands for more than 100,000 entries"),
        (MERGES, "stands for more than 100,000 entries"),
        ("a: &a [*a]", "line 1 is an alias that contains itself"),
        ("[" * 100_000, "line 1 is nested deeper than 32 levels"),
        ("- " * 100_000, "line 1 is nested deeper than 32 levels"),
        ("a: 1\nb\0: 2", "line 2 has a NUL byte"),
        ("a:\n\tb: 1", "line 2: .*indent with blanks, not tabs"),
        ("a: 1\nb: 2\na: 3", "line 3 has the key 'a', which stands in line 1 already"),
        ("a: {b: 1, b: 1}", "line 1 has the key 'b', which stands in line 1 already"),
        ("name: 2024-01-01", "line 1 has the date 2024-01-01; .* put it in quotes"),
        ("name: 2024-13-45", "line 1 has the date 2024-13-45"),
        ("no: 1", "line 1 has the key no, which is no text"),
        ("1: 1", "line 1 has the key 1, which is no text"),
        ("? [a]\n: 1", "line 1 has the key a collection, which is no text"),
        ('"a\\nb": 1', "with control characters"),
        (f"? {'k' * 2000}\n: 1", "has a key of 2,000 characters"),
        (f"seed: {'9' * 5000}", "line 1 has a number of 5,000 characters"),
        (f"seed: 0x{'f' * 5000}", "line 1 has a number of 5,002 characters"),
        ("a: .nan", "has .nan, which is no finite number"),
        ("a: -.INF", "has -.INF, which is no finite number"),
        ("a: 1.0e+999", "has 1.0e.999, which is no finite number"),
        ("a: 010", "has 010, which YAML reads as an octal number"),
        ("a: 1:30", "has 1:30, which YAML reads as an octal number or one of base 60"),
        ("a: !!python/object/apply:os.system [ls]", "has the tag .*python"),
        ("a: !!set {b}", "has the tag .*set"),
        ("a: !!binary aGk=", "has the tag .*binary"),
        ("a: !!int ''", "is no YAML"),
        ("a: !!bool x", "is no YAML"),
        ('a: "\\ud800"', "is no YAML"),
        ("a: 1\n---\nb: 2", "is no YAML: line 2"),
        ("a: [", "is no YAML"),
    ],
)
def test_hostile_text_is_one_sentence(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^job\.yaml.*{message}") as caught:
        parse_yaml(text, "job.yaml")
    assert "\n" not in str(caught.value)


def test_what_people_write_is_read() -> None:
    text = "base: &b {x: 1, y: 0}\nn: {<<: *b, x: 0x1F}\nf: 1.5e-3\nz: -0.0\ne:\nt: '2024-01-01'"
    assert parse_yaml(text, "here") == {
        "base": {"x": 1, "y": 0},
        "n": {"x": 31, "y": 0},
        "f": 0.0015,
        "z": 0.0,
        "e": None,
        "t": "2024-01-01",
    }
    assert parse_yaml("", "here") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' stands there twice"),
        ("[NaN]", "NaN is no finite number"),
        ("[-Infinity]", "-Infinity is no finite number"),
        ("[1e999]", "1e999 is no finite number"),
        ("[" * 100_000, "is no JSON"),
        ("9" * 5000, "is no JSON"),
        ("{", "is no JSON"),
    ],
)
def test_hostile_json_is_one_sentence(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^x\.json {'.*'}{message}"):
        parse_json(text, "x.json")


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("name: x\ndata: {store: y}\n", encoding="utf-8-sig")
    assert load_job(tmp_path / "job.yaml").name == "x"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# " + b"x" * 2**20, "must be at most 1 MiB large"),
        ("name: x".encode("utf-16"), "must be UTF-8 text"),
    ],
)
def test_a_file_that_is_no_settings_file(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "job.yaml").write_bytes(content)
    for load in (load_job, load_sweep, load_either):
        with pytest.raises(ConfigError, match=message):
            load(tmp_path / "job.yaml")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "/dev/zero"])
def test_a_path_that_is_no_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump({"job": name, "name": "s", "space": {}}))
    with pytest.raises(ConfigError, match="no job file at"):
        load_sweep(tmp_path / "sweep.yaml")
    with pytest.raises(ConfigError, match="no job file at"):
        load_job(Path(name))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"references.random": 10**18}, "'references.random' must be less than or equal to 1000"),
        ({"training.epochs": 10**5000}, "'training.epochs' must be less than or equal to 100000"),
        ({"training.epochs": True}, "'training.epochs' must be a number, but got True"),
        ({"training.learning_rate": True}, "must be a number, but got True"),
        ({"training.learning_rate": float("nan")}, "must be a finite number, but got nan"),
        ({"training.clip_norm": float("inf")}, "must be a finite number, but got inf"),
        ({"training.batch_size": 10**9}, "'training.batch_size' must be less than or equal to"),
        ({"model.hidden": 2**20}, "'model.hidden' must be less than or equal to 65536"),
        ({"model.window": 10**9}, "'model.window' must be less than or equal to"),
        ({"cluster.num_workers": 10**9}, "each up to 10,000"),
        ({"data.patch": 10**9}, "'data.patch' must be a number of cells"),
        ({"curve.seeds": [-1]}, "'curve.seeds.0' must be greater than or equal to 0"),
        ({"name": False}, "'name' must be a string, but got False; put it in quotes"),
        ({"name": "stores"}, "'name' must be no name that the home folder has other contents by"),
        ({"name": "Artifacts"}, "but got 'Artifacts'"),
        ({"name": "mlflow.db"}, "but got 'mlflow.db'"),
        ({"name": ".."}, "'name' must match"),
        ({"name": ".hidden"}, "'name' must match"),
        ({"name": "a/b"}, "'name' must match"),
        ({"name": "x" * 1000}, "'name' must have at most 120 characters"),
        ({"data.store": "a\0b"}, "'data.store' must have no control characters"),
        ({"data.store": "x" * 5000}, "'data.store' must have at most 1000 characters"),
        ({"sparsity.pinned": ["a\nb"]}, "'sparsity.pinned.0' must have no control characters"),
        ({"x" * 5000: 1}, "unknown key 'x"),
        ({".".join("x" * 60): 1}, "is no setting of a job; name one with fewer dots"),
    ],
)
def test_a_wrong_value_is_a_short_sentence(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_job(with_overrides(MINIMAL, overrides))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_grid_of_too_many_combinations_is_refused_before_it_is_counted(tmp_path: Path) -> None:
    values = {"grid": [round(0.1 + 0.001 * number, 3) for number in range(100)]}
    keys = ("sparsity.final", "sparsity.start", "training.learning_rate", "sparsity.drop_fraction")
    sweep = {
        "name": "s",
        "job": MINIMAL | {"sparsity": {"stop": 0.9}},
        "searcher": "grid",
        "space": dict.fromkeys(keys, values),
    }
    (tmp_path / "sweep.yaml").write_text(yaml.dump(sweep, Dumper=_Plain))
    with pytest.raises(ConfigError, match=r"at most 5,000 combinations, but the space has 1e\+08"):
        load_sweep(tmp_path / "sweep.yaml")


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


SCALARS = st.sampled_from(
    [
        "~", "null", "yes", "no", "on", "010", "0x1f", "0b1", "1_000", "1:30", "190:20:30.15",
        "2024-01-01", "2024-13-45", "2001-12-14t21:59:43.10-05:00", ".nan", ".inf", "-.inf",
        "1e5", "1.0e+999", "9" * 5000, "-", "?", "=", "<<", "*a", "&a x", "!!int x", "!!float ''",
        "!!binary x", "!x y", "|", ">", "'", '"', "{}", "[]", "{a: {a: {a: 1}}}", "[*a, *a]",
        "\ufeff", "\x85", "\u2028", "a\tb", "\t", "#", "%YAML 9", "@", "`", "..", "stores", "0.5",
        "3", "-1", "10000000000000000000", '"\\0"', '"\\ud800"', "'a: b'", "x: y", "dynamic",
    ]
)  # fmt: skip
KEYS = st.sampled_from(
    ["name", "seed", "data", "store", "model", "training", "epochs", "sparsity", "final", "curve",
     "space", "job", "set", "trials", "<<", "no", "1", "? [a]", "*a", "&a x", "2024-01-01", "a.b"]
)  # fmt: skip


@st.composite
def documents(draw: st.DrawFn, level: int = 0) -> str:
    """A tree in YAML's block form, with whatever stands at its ends."""
    lines = []
    for _ in range(draw(st.integers(1, 4))):
        key, blanks = draw(KEYS), "  " * level
        if level < 3 and draw(st.booleans()):
            lines.append(f"{blanks}{key}:\n{draw(documents(level + 1))}")
        else:
            lines.append(f"{blanks}{key}: {draw(SCALARS)}")
    return "\n".join(lines)


def is_one_line(error: ConfigError) -> None:
    assert "\n" not in str(error)
    assert len(str(error)) < 2000


def read_or_refused(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    for load in (load_job, load_sweep, load_either):
        try:
            load(path)
        except ConfigError as error:
            is_one_line(error)


@settings(max_examples=150, deadline=None)
@given(text=documents() | st.text(max_size=60))
def test_any_text_loads_or_is_refused_in_one_line(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    read_or_refused(tmp_path_factory.mktemp("any") / "job.yaml", text)


@settings(max_examples=100, deadline=None)
@given(path=st.sampled_from(JOBS), seed=st.integers(0, 10**6), scalar=SCALARS)
def test_any_change_of_a_real_job_loads_or_is_refused_in_one_line(
    path: Path, seed: int, scalar: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    chance, lines = random.Random(seed), path.read_text().splitlines()
    place = chance.randrange(len(lines))
    key = lines[place].split(":")[0]
    change = chance.choice(("value", "twice", "gone", "flip", "deeper"))
    if change == "value":
        lines[place] = f"{key}: {scalar}"
    elif change == "twice":
        lines.insert(place, lines[place])
    elif change == "gone":
        del lines[place]
    elif change == "deeper":
        lines[place] = f"  {lines[place]}"
    text = "\n".join(lines)
    if change == "flip":
        at = chance.randrange(len(text))
        text = text[:at] + chr(chance.randrange(0xD7FF)) + text[at + 1 :]
    folder = tmp_path_factory.mktemp("real")
    for other in path.parent.glob("*.yaml"):
        (folder / other.name).write_text(other.read_text())
    read_or_refused(folder / path.name, text)


@settings(max_examples=100, deadline=None)
@given(key=KEYS | st.text(max_size=20), value=SCALARS | st.text(max_size=20))
def test_any_assignment_to_a_job_is_taken_or_refused_in_one_line(key: str, value: str) -> None:
    try:
        check_job(with_overrides(MINIMAL, dict([parse_assignment(f"{key}={value}")])))
    except ConfigError as error:
        is_one_line(error)
