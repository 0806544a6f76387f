"""What users can do nothing about does not belong on their screen."""

import logging
import warnings

__all__ = ["quiet_libraries"]


def quiet_libraries() -> None:
    for name in ("mlflow", "alembic", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"mlflow|ray|torch|pydantic")
