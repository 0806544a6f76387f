"""Versions of what is on disk: earlier ones are upgraded, later ones are refused."""

from typing import Any

import pytest

from dynst.errors import DataError
from dynst_platform.forms import todays


def renamed(document: dict[str, Any]) -> dict[str, Any]:
    return {"new": document["old"]}


def doubled(document: dict[str, Any]) -> dict[str, Any]:
    return {"new": 2 * document["new"]}


@pytest.mark.parametrize(
    "document",
    [{"old": 3}, {"version": 1, "old": 3}, {"version": 2, "new": 3}, {"version": 3, "new": 6}],
)
def test_each_version_goes_through_the_upgrades_that_it_lacks(document: dict[str, Any]) -> None:
    given = dict(document)
    assert todays(document, "it", [renamed, doubled]) == {"new": 6}
    assert document == given, "the caller's stays as it is"


@pytest.mark.parametrize("version", [0, 3, "2", None])
def test_a_version_that_is_not_known_is_refused(version: object) -> None:
    with pytest.raises(DataError, match=r"it must be of version 1 to 2, but is of version"):
        todays({"version": version}, "it", [renamed])
