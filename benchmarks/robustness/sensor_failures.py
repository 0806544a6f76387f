"""How the error grows when some of the sensors that are kept fail.

    python -m benchmarks.robustness.sensor_failures MODEL --share 0.1

MODEL is what ``dynst sensors`` takes: a registered name, a version, or a run. A random share of the
sensors is lost for the whole test part. The error is that over all locations.

There are two ways to go on. A lost sensor is read as missing: the network is told so, and gets the
location's profile. Or it is left out as if it were off.
"""

import argparse
from statistics import fmean, stdev

import torch

from dynst.evaluation.evaluate import evaluate
from dynst_platform.config.experiment import experiment_of
from dynst_platform.config.locations import tracking_uri
from dynst_platform.model_registry.references import (
    client_of,
    fetched,
    model_id_of,
    store_that_fits,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--draws", type=int, default=20)
    arguments = parser.parse_args()
    client = client_of(tracking_uri())
    with fetched(
        client, tracking_uri(), model_id_of(client, tracking_uri(), arguments.model)
    ) as found:
        artifact, job, store = found.artifact, found.job, store_that_fits(found, None)
    test = experiment_of(job, store.path).dataset.test
    active = torch.tensor(artifact.description.active)
    whole = evaluate(artifact.model, test, active).mae()
    lost = [draw(active, arguments.share, seed) for seed in range(arguments.draws)]
    missing = [evaluate(artifact.model, test, active, failing=some).mae() for some in lost]
    left_out = [evaluate(artifact.model, test, active & ~some).mae() for some in lost]
    print(
        f"{int(active.sum())} sensors are read, {int(lost[0].sum())} of them fail, "
        f"{arguments.draws} random draws"
    )
    print(f"none fails         {whole:.4g}")
    for name, errors in (("read as missing", missing), ("left out", left_out)):
        mean, worst = fmean(errors) / whole - 1, max(errors) / whole - 1
        print(
            f"{name:<18} {fmean(errors):.4g} ± {stdev(errors):.2g} ({mean:+.1%}, worst "
            f"{worst:+.1%})"
        )


def draw(active: torch.Tensor, share: float, seed: int) -> torch.Tensor:
    on = active.nonzero().squeeze(1)
    count = max(1, round(share * len(on)))
    some = on[torch.randperm(len(on), generator=torch.Generator().manual_seed(seed))[:count]]
    return torch.zeros_like(active).index_fill(0, some, True)


if __name__ == "__main__":
    main()
