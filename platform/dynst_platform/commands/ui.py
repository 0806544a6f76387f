"""``dynst ui``: the MLflow UI on the store that the runs went to."""

import click

from dynst_platform.terminal.lines import say

__all__ = ["ui"]


@click.command()
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
def ui(port: int) -> None:
    """Open the MLflow UI on 127.0.0.1; stop it with Ctrl-C."""
    import os
    import sys

    from dynst.errors import ConfigError
    from dynst_platform.config.locations import artifact_root, shown_tracking_uri, tracking_uri
    from dynst_platform.tracking.clients import reader_of

    uri = tracking_uri()
    if uri.startswith("http"):
        raise ConfigError(
            f"runs go to the tracking server {shown_tracking_uri()}; open that address in a "
            f"browser instead"
        )
    reader_of(uri)  # says what is wrong with the store in one sentence, where MLflow would not
    say(f"MLflow UI: http://127.0.0.1:{port}  (Ctrl-C stops it)", err=True)
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
    command += [
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--default-artifact-root",
        artifact_root() or "mlruns",
    ]
    secrets = {
        "MLFLOW_BACKEND_STORE_URI": uri
    }  # among the arguments any user of the machine would see a password
    environment = os.environ | secrets | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    os.execve(sys.executable, command, environment)
