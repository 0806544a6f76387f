"""One Ray for all tests that do not end its nodes and have no settings of its own to try."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.support.ray_nodes import first_node


@pytest.fixture(scope="session")
def ray_head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one node with two CPUs.

    All tests that ask for it run in one process, one after another.
    """
    home, token = tmp_path_factory.mktemp("ray"), Path(os.environ["RAY_AUTH_TOKEN_PATH"])
    with first_node(str(home), cpus=2, token=token) as nodes:
        yield nodes.address
