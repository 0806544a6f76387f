"""Settings of a scheme."""

import pytest

from dynst.notices import NOTICES, notice
from dynst.sparsity.config import SparsityConfig


def test_the_old_name_of_a_scheme_is_read_with_one_notice(caplog: pytest.LogCaptureFixture) -> None:
    notice.cache_clear()
    with caplog.at_level("WARNING", NOTICES):
        found = [SparsityConfig.model_validate({"scheme": "judged"}) for _ in range(2)]
    assert [config.scheme for config in found] == ["searched", "searched"]
    assert caplog.messages == ["scheme 'judged' is now called 'searched'; rename it in the file"]
