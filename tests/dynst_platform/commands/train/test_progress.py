"""What a training says while it runs, on a screen that is a file: lines that stay readable."""

import pytest

from dynst.data.store import SensorStore
from dynst_platform.commands.train.job_clock import JobClock
from dynst_platform.commands.train.progress import TrainingProgress
from dynst_platform.config.job import JobSpec
from dynst_platform.reports import EpochReport
from dynst_platform.studies.progress import TaskProgress
from tests.dynst_platform.commands.train.test_train import small_job
from tests.dynst_platform.reports import change, epoch


def job_of(network: SensorStore) -> JobSpec:
    return small_job(network, references={"dense": True, "random": 1, "baselines": ["variance"]})


def first(on: int) -> list[bool]:
    return [index < on for index in range(8)]


MACHINE = {"windows_per_second": 5120.4, "peak_memory_mib": 812.3}
CHANGES = [
    change(13, first(6), pruned=(6, 7)),
    change(16, first(6), grown=(2,)),
    change(18, first(6)),
]
REPORTS = [
    epoch(1, "dense", "dense", **MACHINE),
    epoch(3, updates=CHANGES, **MACHINE),
    epoch(4, updates=[change(19, first(4), pruned=(4, 5), grown=(1, 3))], **MACHINE),
]


def said(
    job: JobSpec,
    reports: list[EpochReport],
    capsys: pytest.CaptureFixture[str],
    quiet: bool = False,
) -> list[str]:
    with TrainingProgress(job, quiet) as progress:
        for report in reports:
            progress.on_report(report)
    shown = capsys.readouterr()
    assert shown.out == ""
    return shown.err.splitlines()


@pytest.mark.parametrize("colours", ["", "1"])
def test_a_file_gets_a_line_for_each_epoch_and_each_change_of_the_mask(
    network: SensorStore,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    colours: str,
) -> None:
    """Also where a CI asks for colours, which would bring bars that draw over themselves."""
    monkeypatch.setenv("FORCE_COLOR", colours)
    lines = said(job_of(network), REPORTS, capsys)
    assert not any(ord(character) < 32 for line in lines for character in line)
    assert lines[0] == "small: starting in this process"
    assert [line for line in lines if "step" in line] == [
        "DynST round 1, step 13: 6 of 8 on, 0 exchanged",
        "DynST step 16: 6 of 8 on, 1 exchanged",
        "DynST round 2, step 19: 4 of 8 on, 2 exchanged",
    ]
    assert lines[1].startswith(
        "dense reference 1/5  loss 2.5  val MAE 3.25  off 25%  exchanged 1  5,120 windows/s  812 "
        "MiB  0:00:"
    )
    assert sum("windows/s" in line for line in lines) == len(REPORTS)


def test_quiet_says_nothing(network: SensorStore, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        said(
            job_of(network),
            [*REPORTS, epoch(5, note="a checkpoint was damaged")],
            capsys,
            quiet=True,
        )
        == []
    )
    with TaskProgress("study", quiet=True) as progress:
        progress.on_task("first", 1, 2)
    assert capsys.readouterr().err == ""


def test_reports_of_an_earlier_version_are_shown(
    network: SensorStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that is resumed reports them first."""
    assert "val MAE 3.25" in said(job_of(network), [epoch(1, "dense", "dense")], capsys)[1]


def test_time_left_is_that_of_all_arms(network: SensorStore) -> None:
    """Four arms of five epochs.

    The last two share some with the learned one, and how many is certain when they begin.
    """
    job = job_of(network)
    clock = JobClock(job)
    shared = int(job.sparsity.start * 5)
    assert clock.total == 20 - 2 * shared
    for number in range(1, 6):
        clock.add(epoch(number, "dense", "dense"))
    assert (clock.done, clock.seconds_left) == (5, 2.0 * (15 - 2 * shared))
    for number in range(1, 6):
        clock.add(epoch(number, seconds=1.0))
    assert clock.seconds_left == pytest.approx(1.5 * (10 - 2 * shared))
    for arm in ("random-0", "variance"):
        for number in range(3, 6):
            clock.add(epoch(number, arm, "random"))
    assert (clock.done, clock.total, clock.seconds_left) == (16, 16, 0.0)
