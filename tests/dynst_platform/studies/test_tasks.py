"""Tasks that resume where they stopped: pure functions on little data, no training."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dynst_platform.errors import RunError
from dynst_platform.studies.tasks import Files, Task, TaskResult, run_tasks

calls: list[str] = []  # of the work below, where it runs in this process


@pytest.fixture(autouse=True)
def forget() -> None:
    calls.clear()


def double(name: str, number: int) -> TaskResult:
    calls.append(name)
    return TaskResult([{"name": name, "number": 2 * number}], {"number.txt": str(number).encode()})


def add(name: str, number: int, files: Files) -> TaskResult:
    calls.append(name)
    return TaskResult([{"name": name, "number": number + int(files["number.txt"])}])


def fail(name: str) -> TaskResult:
    calls.append(name)
    raise ValueError(f"no luck with {name}")


def basis(number: int = 5) -> Task:
    return Task("s/basis", double, ("basis", number), {"number": number})


def sum_of(name: str, number: int, *needs: str) -> Task:
    return Task(
        f"s/{name}", add, (name, number), {"name": name, "number": number}, needs or ("s/basis",)
    )


def failing(name: str) -> Task:
    return Task(f"s/{name}", fail, (name,), {"name": name})


def run(
    tasks: list[Task], root: Path, workers: int = 0, address: str | None = None
) -> dict[str, list[dict[str, Any]]]:
    done: dict[str, list[dict[str, Any]]] = {}

    def on_done(task: Task, result: TaskResult) -> None:
        assert task.name not in done, "handed over once"
        done[task.name] = result.rows

    run_tasks(tasks, root, workers, on_done, address)
    return done


def folders(root: Path) -> set[str]:
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_dir() and path.parent != root
    }


def test_products_reach_whom_they_are_for_and_stay(tmp_path: Path) -> None:
    tasks = [basis(), sum_of("a", 1), sum_of("b", 2)]
    done = run(tasks, tmp_path)
    assert done == {
        "s/basis": [{"name": "basis", "number": 10}],
        "s/a": [{"name": "a", "number": 6}],
        "s/b": [{"name": "b", "number": 7}],
    }
    assert folders(tmp_path) == {task.folder for task in tasks}
    assert json.loads((tmp_path / tasks[0].folder / "rows.json").read_text()) == done["s/basis"]
    assert (tmp_path / tasks[0].folder / "number.txt").read_bytes() == b"5"


def both(name: str, files: Files) -> TaskResult:
    return TaskResult([{"name": name, "files": sorted(files)}], {f"{name}.txt": b"1"})


def test_a_task_that_needs_two_gets_the_files_of_both(tmp_path: Path) -> None:
    later = Task("s/later", both, ("later",), {"name": "later"}, ("s/basis",))
    last = Task("s/last", both, ("last",), {"name": "last"}, ("s/basis", "s/later"))
    for workers in (0, 2):
        done = run([basis(), later, last], tmp_path / str(workers), workers)
        assert done["s/last"] == [{"name": "last", "files": ["later.txt", "number.txt"]}]


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    tasks = [basis(), sum_of("a", 1)]
    first = run(tasks, tmp_path)
    calls.clear()
    assert run(tasks, tmp_path) == first
    assert calls == []
    more = run([basis(), sum_of("a", 1), sum_of("c", 3)], tmp_path)
    assert calls == ["c"], "which got the files of a piece that an earlier run did"
    assert more == first | {"s/c": [{"name": "c", "number": 8}]}


def test_other_settings_are_other_work(tmp_path: Path) -> None:
    run([basis()], tmp_path)
    assert run([basis(6)], tmp_path) == {"s/basis": [{"name": "basis", "number": 12}]}
    assert calls == ["basis", "basis"]
    assert basis().folder == Task("s/basis", fail, (), {"number": 5}).folder
    assert basis().folder != basis(6).folder


def test_a_failure_stops_only_what_needs_it(tmp_path: Path) -> None:
    tasks = [
        failing("bad"),
        sum_of("child", 1, "s/bad"),
        basis(),
        sum_of("a", 1),
        failing("worse"),
    ]
    with pytest.raises(RunError) as caught:
        run(tasks, tmp_path)
    assert calls == ["bad", "basis", "a", "worse"]
    text = str(caught.value)
    assert "2 of 5 tasks failed" in text
    assert "s/bad: no luck with bad; s/worse: no luck with worse" in text
    assert "\n" not in text
    assert folders(tmp_path) == {basis().folder, sum_of("a", 1).folder}
    calls.clear()
    mended = [
        Task(task.name, double, (task.name, 3), task.identity) if task.work is fail else task
        for task in tasks
    ]
    done = run(mended, tmp_path)
    assert calls == ["s/bad", "child", "s/worse"], "only what was left"
    assert list(done) == ["s/basis", "s/a", "s/bad", "s/child", "s/worse"]


def test_a_failure_without_words_is_named_by_its_kind(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="s/stop: StopIteration"):
        run([Task("s/stop", lambda: next(iter(())), (), {})], tmp_path)


def test_stopped_by_hand_it_keeps_what_is_done(tmp_path: Path) -> None:
    def stop() -> TaskResult:
        raise KeyboardInterrupt

    tasks = [basis(), Task("s/stop", stop, (), {}), sum_of("a", 1)]
    with pytest.raises(KeyboardInterrupt):
        run(tasks, tmp_path)
    assert folders(tmp_path) == {basis().folder}


def test_a_half_written_piece_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the process had died between writing and renaming."""

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", die)
        with pytest.raises(KeyboardInterrupt):
            run([basis()], tmp_path)
    assert not (tmp_path / basis().folder).exists()
    assert run([basis()], tmp_path) == {"s/basis": [{"name": "basis", "number": 10}]}
    assert calls == ["basis", "basis"]
    assert folders(tmp_path) == {basis().folder}, "no draft is left"


def test_a_draft_of_a_killed_process_is_no_result(tmp_path: Path) -> None:
    draft = tmp_path / "s" / ".draft-x1"
    draft.mkdir(parents=True)
    (draft / "rows.json").write_text('[{"name": "wrong"}]')
    for _ in range(2):
        assert run([basis()], tmp_path) == {"s/basis": [{"name": "basis", "number": 10}]}
    assert calls == ["basis"]


def test_a_full_disk_fails_the_piece_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if content == b"6":
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    tasks = [
        Task("s/large", double, ("large", 6), {}),
        sum_of("child", 1, "s/large"),
        basis(),
    ]
    with pytest.raises(
        RunError, match=r"1 of 3 tasks failed \(s/large: \[Errno 28\] No space left on device\)"
    ):
        run(tasks, tmp_path)
    assert calls == ["large", "basis"]
    assert folders(tmp_path) == {basis().folder}


def test_two_runs_of_one_piece_do_not_disturb_each_other(tmp_path: Path) -> None:
    """The other run is done while this one works."""

    def slow() -> TaskResult:
        run([Task("s/one", double, ("inner", 1), {})], tmp_path)
        return TaskResult([{"name": "outer"}])

    task = Task("s/one", slow, (), {})
    assert run([task], tmp_path) == {"s/one": [{"name": "outer"}]}
    assert run([task], tmp_path) == {"s/one": [{"name": "inner", "number": 2}]}
    assert folders(tmp_path) == {task.folder}


@pytest.mark.process
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:ray", "ignore::FutureWarning:ray", "ignore::ResourceWarning"
)
def test_ray_gives_what_one_process_gives(tmp_path: Path, ray_head: str) -> None:
    tasks = [
        failing("bad"),
        sum_of("child", 1, "s/bad"),
        basis(),
        *(sum_of(f"n{number}", number) for number in range(5)),
    ]
    messages = []
    for workers, root in ((0, tmp_path / "here"), (2, tmp_path / "there")):
        with pytest.raises(RunError) as caught:
            run(tasks, root, workers, ray_head)
        messages.append(str(caught.value))
    assert "1 of 8 tasks failed (s/bad: " in messages[1]
    assert "no luck with bad" in messages[1]
    assert "\n" not in messages[1]
    here, there = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*.*") if path.is_file()}
        for root in (tmp_path / "here", tmp_path / "there")
    )
    assert here == there
    assert len(here) == 7
    assert "bad" not in calls[calls.index("n4") + 1 :], "the second run was elsewhere"
