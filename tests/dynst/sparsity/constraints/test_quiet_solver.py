import ctypes

import pytest

from dynst.sparsity.constraints.quiet_solver import quiet_stdout


def test_what_a_c_library_prints_is_lost_and_what_python_prints_around_it_is_not(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A trace of HiGHS would break a result that is printed as JSON."""
    print("before")
    with quiet_stdout():
        ctypes.CDLL(None).puts(b"trace")
    print("after")
    assert capfd.readouterr().out == "before\nafter\n"


def test_standard_output_comes_back_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="broken"), quiet_stdout():
        raise ValueError("broken")
    print("after")
    assert capfd.readouterr().out == "after\n"
