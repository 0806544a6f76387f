"""What people see: a real MLflow server with real runs in a real, headless Chromium.

Screenshots stay in build/screenshots.
"""

import os
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dynst_platform.commands.promote.workflow import promote
from tests.dynst_platform.command_line import COMMAND
from tests.dynst_platform.model_registry.conftest import Trained
from tests.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore")]
SCREENSHOTS = Path(__file__).parents[3] / "build" / "screenshots"
PATIENCE = 60_000  # ms, for a page of MLflow on a busy machine
Look = Callable[[str, str], Any]


@pytest.fixture
def look(trained: Trained, tmp_path: Path) -> Iterator[Look]:
    """Opens a page of MLflow's UI by its route and takes a screenshot when it shows a text."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api")
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with _served(trained.home) as address, playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 900})
        page.set_default_timeout(PATIENCE)

        def opened(route: str, text: str) -> Any:
            page.goto(f"{address}/#{route}")
            page.get_by_text(text).first.wait_for()
            return page

        yield opened
        browser.close()


class _served:
    """``dynst ui`` on a free port of the loopback, killed with its workers afterwards."""

    def __init__(self, home: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._home = home

    def __enter__(self) -> str:
        command = [*COMMAND, "ui", "--port", str(self._port)]
        environment = os.environ | {"DYNST_HOME": str(self._home)}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, env=environment, start_new_session=True, **quiet)
        address = f"http://127.0.0.1:{self._port}"
        wait_until("MLflow's answer", lambda: _answers(address), self._process)
        return address

    def __exit__(self, *error: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_what_a_user_of_mlflow_sees(trained: Trained, look: Look) -> None:
    promote("small", "counters", {}, None, dry_run=False)
    client, half, quarter = trained.client, trained.runs["half"], trained.runs["quarter"]
    runs = {
        run.info.run_id: run
        for run in client.search_runs([client.get_run(half).info.experiment_id])
    }
    names = {run_id: run.info.run_name for run_id, run in runs.items()}
    experiment = runs[half].info.experiment_id

    order = "orderByKey=metrics.%60test%2Fmae_all%60&orderByAsc=true"
    page = look(f"/experiments/{experiment}/runs?{order}", names[half])
    page.get_by_text(names[quarter]).first.wait_for()
    page.wait_for_timeout(2000)
    page.screenshot(path=SCREENSHOTS / "runs.png")
    places = {
        run_id: page.get_by_text(name).first.bounding_box()["y"] for run_id, name in names.items()
    }
    by_error = sorted(names, key=lambda run_id: runs[run_id].data.metrics["test/mae_all"])
    assert sorted(places, key=places.__getitem__) == by_error, (
        "the table is sorted by the error over all locations"
    )

    page = look(
        f'/compare-runs?runs=["{half}","{quarter}"]&experiments=["{experiment}"]', names[half]
    )
    page.get_by_text(names[quarter]).first.wait_for()
    page.wait_for_timeout(2000)
    page.screenshot(path=SCREENSHOTS / "compare.png")
    assert "sparsity.final\t0.5\t0.25" in page.inner_text("body"), (
        "what differs stands side by side"
    )

    page = look(f"/experiments/{experiment}/runs/{half}/artifacts/sensors.png", "sensors.png")
    picture = page.locator("img[src^='blob:'], img[src*='get-artifact']").first
    picture.wait_for()
    page.wait_for_timeout(1000)
    page.screenshot(path=SCREENSHOTS / "mask.png")
    assert picture.evaluate("image => image.naturalWidth") > 300, "the map has been drawn"

    page = look("/models/counters", "counters")
    page.get_by_text("champion").first.wait_for()
    page.screenshot(path=SCREENSHOTS / "model.png")
