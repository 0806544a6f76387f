"""How often a comparison by blocks shows a gain where there is none.

    python -m benchmarks.accuracy.bound_levels

Differences of two choices are drawn without a mean: locations share a part of each block, and a
block depends on the one before it (a first-order autoregression). A bound of 95 % should show a
gain in 5 % of the draws.
"""

import numpy as np
import torch

from benchmarks.support.options import parser_for
from benchmarks.support.tables import header, row
from dynst.selection.comparison import BlockErrors, compare

BLOCKS, CORRELATIONS = (5, 8, 10, 11, 20, 40), (0.0, 0.2, 0.4)
LOCATIONS = 50


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--draws", type=int, default=4_000)
    draws = parser.parse_args().draws
    for winsorised in (True, False):
        print(f"\n{'Winsorised, as in the search' if winsorised else 'As on the test part'}\n")
        print(header(["blocks", *(f"correlation {share:g}" for share in CORRELATIONS)]))
        for blocks in BLOCKS:
            shares = [shown(blocks, each, draws, winsorised) for each in CORRELATIONS]
            print(row([str(blocks), *(f"{share:.1%}" for share in shares)]))


def shown(blocks: int, correlation: float, draws: int, winsorised: bool) -> float:
    """The share of the draws in which a gain is shown."""
    chance = np.random.default_rng(blocks)
    count = torch.full((blocks, LOCATIONS), 10.0, dtype=torch.float64)
    nothing = BlockErrors(torch.zeros_like(count), count)
    found = 0
    for _ in range(draws):
        common = chance.standard_normal((blocks, 1)) + chance.standard_normal((blocks, LOCATIONS))
        for block in range(1, blocks):
            fresh = common[block] * (1 - correlation**2) ** 0.5
            common[block] = correlation * common[block - 1] + fresh
        errors = BlockErrors(torch.from_numpy(common) * 10, count)
        found += compare(errors, nothing, winsorised=winsorised).shows_gain()
    return found / draws


if __name__ == "__main__":
    main()
