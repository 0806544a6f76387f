"""What the best forecaster that we can make reads from one fixed choice of sensors.

    python -m benchmarks.accuracy.bounds --job jobs/evidence/vlinder.yaml

Half of the sensors are off, by the choice that the search makes with the first seed. All errors are
mean absolute errors on the test part, over ALL locations:

- the curve's own network, fine-tuned on the choice, for each seed, and the ensemble of these;
- a network that was trained on the choice alone, from its first step, with the same budget and with
  ten times as much; the best epoch on validation is kept;
- a ridge regression on all windows;
- simple kriging: each location is interpolated from the last readings by the covariance of the
  training part, and stays as it is.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmarks.support.experiments import experiment_for, trained
from benchmarks.support.options import add_job, parser_for
from benchmarks.support.tables import header, row
from dynst.data.windows import ForecastInputs, Windows
from dynst.evaluation.evaluate import evaluate
from dynst.evaluation.ridge import fit_ridge
from dynst.experiment.experiment import Experiment
from dynst.experiment.supernet import Supernet
from dynst.models.forecaster import SparseForecaster
from dynst.sparsity.scheme import fixed_scheme
from dynst_platform.config.files import load_job

SPARSITY, TIMES = 0.5, (1, 10)
NOISE = 0.1  # of readings that are scaled to a spread of 1


class Ensemble(SparseForecaster):
    """The mean of several forecasters."""

    def __init__(self, members: Sequence[SparseForecaster]) -> None:
        super().__init__(members[0].shape, members[0].scaler)
        self.members = nn.ModuleList(members)

    def forward(self, inputs: ForecastInputs) -> Tensor:
        mean: Tensor = torch.stack([member(inputs) for member in self.members]).mean(0)
        return mean


class Kriging(SparseForecaster):
    """Every location from the last readings of the active sensors, the same for all steps."""

    def __init__(self, like: SparseForecaster, covariance: Tensor, target: int) -> None:
        super().__init__(like.shape, like.scaler)
        self.covariance, self.target = covariance, target

    def forward(self, inputs: ForecastInputs) -> Tensor:
        on, shape = inputs.sensors, self.shape
        system = self.covariance[on][:, on] + NOISE * torch.eye(len(on))
        weight: Tensor = torch.linalg.solve(system, self.covariance[on]).mT  # [S, K]
        last: Tensor = inputs.readings[:, -1, :, self.target] @ weight.mT  # [B, S]
        return last[:, None, :, None].expand(-1, shape.horizon, -1, shape.num_targets)


def main() -> None:
    parser = parser_for(__doc__)
    add_job(parser)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--times", type=int, nargs="+", default=list(TIMES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    epochs = load_job(options.job, options.set).curve.fine_tune_epochs
    supernets = [
        Supernet(experiment_for(options.job, [*options.set, f"seed={seed}"]))
        for seed in options.seeds
    ]
    first = supernets[0]
    active = first.learned(first.evaluator(trained(first)), SPARSITY).active
    print(header(["forecaster", "MAE"]))
    tuned = [fine_tuned(supernet, active, epochs) for supernet in supernets]
    for seed, network in zip(options.seeds, tuned, strict=True):
        show(f"fine-tuned, seed {seed}", first.experiment, network, active)
    show(f"ensemble of {len(tuned)}", first.experiment, Ensemble(tuned), active)
    for times in options.times:
        network = from_scratch(first.experiment, active, epochs, times)
        show(f"from scratch, budget × {times}", first.experiment, network, active)
    data = first.experiment.dataset
    ridge = fit_ridge(data.train, data.val, data.scaler, active)
    show("ridge regression", first.experiment, ridge, active)
    target = int(data.train.targets[0])
    kriging = Kriging(tuned[0], covariance(data.train, target), target)
    show("kriging", first.experiment, kriging, active)


def show(name: str, experiment: Experiment, network: SparseForecaster, active: Tensor) -> None:
    error = evaluate(network.eval(), experiment.dataset.test, active).mae()
    print(row([name, f"{error:.4g}"]), flush=True)


def fine_tuned(supernet: Supernet, active: Tensor, epochs: int) -> SparseForecaster:
    training = supernet.fine_tuning(trained(supernet, withhold=False), active, epochs)
    for _ in training.run():
        pass
    return training.model


def from_scratch(experiment: Experiment, active: Tensor, more: int, times: int) -> SparseForecaster:
    recipe = experiment.config.training
    budget = {"epochs": times * (recipe.epochs + more)}
    training = experiment.training(fixed_scheme(active), recipe.model_copy(update=budget))
    for _ in training.run():
        pass
    return training.model


def covariance(train: Windows, target: int) -> Tensor:
    """``[S, S]`` of the scaled readings of the training part; a missing one counts as 0."""
    rows = torch.arange(int(train.starts[-1]) + train.window)
    values, _ = train.series.at(rows[None], train.targets[:1])
    readings = values[0, :, :, 0]
    return readings.mT @ readings / len(readings)


if __name__ == "__main__":
    main()
