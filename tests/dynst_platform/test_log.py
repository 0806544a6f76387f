"""The log: quiet on the screen unless asked for, whole in files, without credentials."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from dynst.errors import ConfigError
from dynst.notices import notice
from dynst_platform.log import LIBRARIES, OURS, configure_log, log_of_run, quiet_libraries
from tests.dynst_platform.command_line import dynst_here

ours, library = logging.getLogger("dynst.training"), logging.getLogger("ray.worker")


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    configure_log()


def say() -> None:
    ours.debug("ours in detail")
    ours.info("ours")
    library.debug("ray's debug")
    library.info("ray's news")
    library.warning("ray's warning")


@pytest.mark.parametrize(
    ("verbosity", "shown"),
    [
        (0, []),
        (1, ["ours", "ray's warning"]),
        (2, ["ours in detail", "ours", "ray's news", "ray's warning"]),
    ],
)
def test_the_screen_shows_what_was_asked_for(
    verbosity: int, shown: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    configure_log(verbosity)
    say()
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[2] for line in lines] == shown


def test_a_run_keeps_its_log_whatever_the_screen_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with log_of_run(tmp_path, "driver"):
        say()
    say()
    lines = (tmp_path / "logs" / "driver.log").read_text().splitlines()
    assert [line.partition(": ")[2] for line in lines] == ["ours", "ray's warning"]
    assert "dynst.training" in lines[0]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("verbosity", [0, 1, 2])
def test_a_notice_is_shown_once_whatever_was_asked_for(
    verbosity: int, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_log(verbosity)
    for _ in range(2):
        notice("'old' is now called 'new'")
    assert capsys.readouterr().err == "dynst: 'old' is now called 'new'\n"


def test_two_runs_of_one_process_keep_their_logs_apart(tmp_path: Path) -> None:
    with log_of_run(tmp_path / "one", "driver"):
        ours.info("first")
    with log_of_run(tmp_path / "two", "driver"):
        ours.info("second")
    assert "second" not in (tmp_path / "one" / "logs" / "driver.log").read_text()
    assert "first" not in (tmp_path / "two" / "logs" / "driver.log").read_text()


def test_a_log_file_takes_all_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    for _ in range(2):
        configure_log(0, tmp_path / "all.log")
        ours.debug("in detail")
        configure_log()
        ours.debug("nowhere")
    text = (tmp_path / "all.log").read_text()
    assert text.count("in detail") == 2
    assert "nowhere" not in text


def test_credentials_of_an_address_reach_no_log(tmp_path: Path) -> None:
    with log_of_run(tmp_path, "driver"):
        ours.info("to %s", "postgresql://user:hunter2@db/x")
        try:
            raise ValueError("postgresql://user:hunter2@db/x")
        except ValueError:
            ours.exception("failed")
    text = (tmp_path / "logs" / "driver.log").read_text()
    assert "db/x" in text
    assert "hunter2" not in text


def test_a_log_that_cannot_be_written_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("a file in the folder's place")
    with log_of_run(tmp_path, "driver"):
        ours.warning("lost")
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_disk_that_is_full_hides_no_error(tmp_path: Path) -> None:
    """What could not be written is tried again when the file is closed."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "driver.log").symlink_to("/dev/full")
    with log_of_run(tmp_path, "driver"):
        ours.info("lost")

    @log_of_run(tmp_path, "driver")
    def fail() -> None:
        ours.info("lost")
        raise KeyError("the real reason")

    with pytest.raises(KeyError, match="the real reason"):
        fail()


def test_a_log_may_be_configured_anew_inside_a_run(tmp_path: Path) -> None:
    with log_of_run(tmp_path, "driver"):
        configure_log()


def test_a_log_file_that_was_asked_for_must_be_writable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--log-file"):
        configure_log(0, tmp_path / "nowhere" / "all.log")


def test_libraries_that_set_up_loggers_late_are_caught_up_with(tmp_path: Path) -> None:
    """As MLflow does at its import: its own handler, and nothing handed on."""
    logger, handler = logging.getLogger("mlflow"), logging.StreamHandler()
    were = logger.handlers[:], logger.propagate
    with log_of_run(tmp_path, "driver"):
        logger.handlers, logger.propagate = [handler], False
        try:
            quiet_libraries()
            logger.warning("of mlflow")
        finally:
            logger.handlers, logger.propagate = were
    assert handler.level == logging.ERROR
    assert "of mlflow" in (tmp_path / "logs" / "driver.log").read_text()


def test_a_handler_of_the_program_around_us_stays_as_it_is() -> None:
    """Such as that of pytest, which sees loggers that hand nothing on too."""
    logger, handler = logging.getLogger("mlflow"), logging.StreamHandler()
    logger.addHandler(handler)
    logging.root.addHandler(handler)
    try:
        quiet_libraries()
    finally:
        logger.removeHandler(handler)
        logging.root.removeHandler(handler)
    assert handler.level == logging.NOTSET


def test_no_handler_stays_behind(tmp_path: Path) -> None:
    with log_of_run(tmp_path, "driver"):
        say()
    for name in (*OURS, *LIBRARIES):
        kinds = {type(handler).__module__ for handler in logging.getLogger(name).handlers}
        assert "dynst_platform.log" not in kinds


def test_the_command_line_takes_it_before_and_after_the_commands_name(tmp_path: Path) -> None:
    for number, words in enumerate([("-vv", "sync"), ("sync", "-vv"), ("-v", "sync", "-v")]):
        log = tmp_path / f"{number}.log"
        done = dynst_here(*words, "--log-file", log, cwd=tmp_path, DYNST_HOME=str(tmp_path))
        assert done.returncode == 0, done.stderr
        assert log.exists()
    done = dynst_here("sync", "--log-file", tmp_path / "no" / "x.log", cwd=tmp_path)
    assert done.returncode == 2
    assert "--log-file" in done.stderr
