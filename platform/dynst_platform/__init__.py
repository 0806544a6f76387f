"""Runs the method many times, remembers every run, chooses the best: Ray, MLflow and the command
line around ``dynst``.

Ray and MLflow read their settings from the environment when they are imported, so the defaults are
set here, before either is. Numbers of threads are read by everything that computes, and come first.
"""

from dynst_platform.config.thread_variables import LEFT_OUT  # isort: split

import logging
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dynst_platform.config.submission_context import apply_context

if TYPE_CHECKING:
    from dynst_platform.model_registry.loading import load_model

__all__ = ["ENV_DEFAULTS", "LEFT_OUT", "load_model"]

ENV_DEFAULTS = {
    "RAY_TRAIN_V2_ENABLED": "1",
    # a report waits for the next poll: 1.6 s an epoch by default, 0.17 s at 0.2
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.05",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "60",
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends a sweep as it ends everything else
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # the default blocks for 246 s when the server is away
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
}
logging.getLogger(__name__).addHandler(logging.NullHandler())
apply_context()
for _name, _value in ENV_DEFAULTS.items():
    os.environ.setdefault(_name, _value)


def __getattr__(name: str) -> Any:
    """Imported when asked for: ``dynst --help`` must not wait for MLflow."""
    if name == "load_model":
        return import_module("dynst_platform.model_registry.loading").load_model
    raise AttributeError(f"module 'dynst_platform' has no attribute '{name}'")
