"""What a choice was held against, in one sentence for each way that it can end."""

import pytest
import torch

from dynst.selection.comparison import Comparison
from dynst.selection.search import Verdict
from dynst_platform.reports import SelectionReport

SEARCHED, RULED = torch.tensor([True, False]), torch.tensor([False, True])


@pytest.mark.parametrize(
    ("searched", "confirmed", "taken", "expected"),
    [
        (
            SEARCHED,
            Comparison(-0.5, 0.1, 10),
            True,
            "The choice is the search's: on 10 blocks of 2 h that no search had looked at, its "
            "error is 0.5 mph lower than that of farthest point, the best simple rule (one-sided "
            "test at 5 %: the bound of the difference is -0.32).",
        ),
        (
            SEARCHED,
            Comparison(0.25, 0.1, 10),
            False,
            "The choice is that of farthest point, the best simple rule: on 10 blocks of 2 h that "
            "no search had looked at, the search's was not shown to be better (its error is 0.25 "
            "mph higher).",
        ),
        (
            SEARCHED,
            Comparison(-0.25, 0.5, 10),
            False,
            "The choice is that of farthest point, the best simple rule: on 10 blocks of 2 h that "
            "no search had looked at, the search's was not shown to be better (its error is 0.25 "
            "mph lower).",
        ),
        (
            SEARCHED,
            None,
            False,
            "The choice is that of farthest point, the best simple rule: the record is too short "
            "to compare the search's with it.",
        ),
        (
            RULED,
            None,
            False,
            "The search ended at the choice of farthest point, the best simple rule.",
        ),
    ],
)
def test_a_verdict_is_one_sentence(
    searched: torch.Tensor, confirmed: Comparison | None, taken: bool, expected: str
) -> None:
    verdict = Verdict("farthest_point", searched, RULED, confirmed, taken)
    report = SelectionReport.of(verdict, "2 h")
    assert report.sentence("mph") == expected
    figures = report.figures()
    assert figures["search/taken"] == taken
    assert ("search/difference" in figures) is (confirmed is not None)
    assert SelectionReport.model_validate(report.model_dump()) == report


@pytest.mark.parametrize(
    ("searched", "expected"),
    [
        (
            SEARCHED,
            "The choice is what most of them keep: on 10 blocks of 2 h that no search had looked "
            "at, its error is 0.5 mph lower than that of variance, the best simple rule (one-sided "
            "test at 5 %: the bound of the difference is -0.32).",
        ),
        (RULED, "What most of them keep is the choice of variance, the best simple rule."),
    ],
)
def test_a_vote_names_its_voters(searched: torch.Tensor, expected: str) -> None:
    confirmed = Comparison(-0.5, 0.1, 10)
    verdict = Verdict("variance", searched, RULED, confirmed, True, seeds=3, overlap=0.625)
    report = SelectionReport.of(verdict, "2 h")
    voters = (
        "3 searches, each by a network of its own, voted; the sensors that two of them keep are "
        "62% the same (Jaccard)."
    )
    assert report.sentence("mph") == f"{voters} {expected}"
    assert report.figures()["search/overlap_of_seeds"] == 0.625
