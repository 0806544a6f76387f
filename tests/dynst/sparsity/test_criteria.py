import torch

from dynst.sparsity.criteria import RandomScore, SignedFirstOrder


def test_signed_first_order_averages_only_what_was_measured() -> None:
    criterion = SignedFirstOrder(3, decay=0.5)
    nan = float("nan")
    criterion.observe(torch.tensor([-2.0, 1.0, nan]))
    criterion.observe(torch.tensor([-4.0, nan, nan]))
    scores = criterion.scores()
    assert scores[0] == (0.5 * 0.5 * 2 + 0.5 * 4) / 0.75  # bias-corrected average of the gains 2 and 4
    assert scores[1] == -1.0
    assert scores[2] == 0.0


def test_random_scores_depend_on_the_seed_alone() -> None:
    assert torch.equal(RandomScore(9, 1).scores(), RandomScore(9, 1).scores())
    assert not torch.equal(RandomScore(9, 1).scores(), RandomScore(9, 2).scores())
