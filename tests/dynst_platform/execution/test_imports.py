"""What the processes of a training import before they can begin: each of these costs seconds."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "mlflow", "matplotlib", "sqlalchemy", "aiohttp.client"}


@pytest.mark.process
@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        (["execution.report_callback", "execution.process_group", "compat.train"], set()),
        (["execution.train_worker"], {"torch"}),
        (["commands.train.workflow"], {"torch", "mlflow", "sqlalchemy", "aiohttp.client"}),
    ],
    ids=["controller", "worker", "driver"],
)
def test_a_process_of_a_training_imports_no_more_than_it_needs(
    modules: list[str], heavy: set[str]
) -> None:
    names = ", ".join(f"dynst_platform.{module}" for module in modules)
    code = f"import sys, {names}; print(*sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= heavy
