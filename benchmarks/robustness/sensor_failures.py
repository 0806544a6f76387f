"""How the error grows when some of the sensors that are kept fail.

    python -m benchmarks.robustness.sensor_failures MODEL --share 0.1

MODEL is what ``dynst sensors`` takes: a registered name, a version, or a run. A random share of the
sensors is lost for the whole test part. The error is that over all locations.

There are two ways to go on. A lost sensor is read as missing: its readings are marked as
unobserved, and the network gets the location's profile. Or it is left out as if it
were off.
"""

from statistics import fmean, stdev

import torch
from torch import Tensor

from benchmarks.support.options import parser_for
from dynst.evaluation.evaluate import evaluate
from dynst_platform.config.experiment import experiment_of
from dynst_platform.config.locations import tracking_uri
from dynst_platform.model_registry.references import (
    fetched,
    model_id_of,
    store_that_fits,
)
from dynst_platform.tracking.clients import reader_of


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("model")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args()
    client, uri = reader_of(tracking_uri()), tracking_uri()
    with fetched(client, uri, model_id_of(client, uri, options.model)) as found:
        artifact, job, store = found.artifact, found.job, store_that_fits(found, None)
    model, test = artifact.model, experiment_of(job, store.path).dataset.test
    active = torch.tensor(artifact.description.active)
    lost = [random_loss(active, options.share, seed) for seed in range(options.draws)]
    print(
        f"{int(active.sum())} sensors are read, {int(lost[0].sum())} of them fail, "
        f"{options.draws} random draws"
    )
    whole = evaluate(model, test, active).mae()
    print(f"none fails         {whole:.4g}")
    missing = [evaluate(model, test, active, failing=some).mae() for some in lost]
    report("read as missing", missing, whole)
    report("left out", [evaluate(model, test, active & ~some).mae() for some in lost], whole)


def random_loss(active: Tensor, share: float, seed: int) -> Tensor:
    """Bool ``[S]``: a share of the sensors that are on, one at least."""
    on = active.nonzero().squeeze(1)
    count = max(1, round(share * len(on)))
    some = on[torch.randperm(len(on), generator=torch.Generator().manual_seed(seed))[:count]]
    return torch.zeros_like(active).index_fill(0, some, True)


def report(name: str, errors: list[float], whole: float) -> None:
    mean, worst = fmean(errors) / whole - 1, max(errors) / whole - 1
    spread = f"{fmean(errors):.4g} ± {stdev(errors):.2g}"
    print(f"{name:<18} {spread} ({mean:+.1%}, worst {worst:+.1%})")


if __name__ == "__main__":
    main()
