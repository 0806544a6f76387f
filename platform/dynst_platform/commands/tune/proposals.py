"""Which settings to try next: a pure function of the sweep, the trial's number, and what earlier
trials gave.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice, product

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from dynst.errors import ConfigError
from dynst_platform.commands.tune.records import Record
from dynst_platform.config.files import value_at
from dynst_platform.config.job import JobSpec
from dynst_platform.config.sweep import DIRECTIONS, Dimension, SweepSpec
from dynst_platform.config.values import Document, JsonValue, Overrides

__all__ = ["Proposals", "bounds_of", "grid_size", "with_trials"]


class Proposals:
    """Optuna's searchers, behind their ask-and-tell interface.

    A categorical entry is known to them by its place, so that it may be anything.
    """

    def __init__(self, sweep: SweepSpec, records: Sequence[Record]) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._sweep, self._base = sweep, _base(sweep)
        self._study = optuna.create_study(
            directions=[DIRECTIONS[name] for name in sweep.objectives]
        )
        self._asked: dict[int, optuna.Trial] = {}
        for record in records:
            if record.ended:
                self._study.add_trial(self._past(record))

    def propose(self, number: int) -> Overrides:
        """Overrides for trial ``number``, by dotted key."""
        if self._sweep.searcher == "grid":
            return next(islice(_crossed(self._sweep), number % grid_size(self._sweep), None))
        self._study.sampler = self._sampler(number)
        trial = self._asked[number] = self._study.ask()
        overrides: Overrides = {}
        for key, dimension in self._sweep.space.items():
            if _applies(dimension, overrides, self._base):
                overrides[key] = _suggest(trial, key, dimension)
        return overrides

    def learn(self, record: Record) -> None:
        trial, known = self._asked.pop(record.number, None), self._past(record)
        if trial is None:  # another process, or a grid, made the proposal
            self._study.add_trial(known)
            return
        for step, value in known.intermediate_values.items():
            trial.report(value, step)
        self._study.tell(trial, known.values, state=known.state)

    def _sampler(self, number: int) -> BaseSampler:
        seed = self._sweep.seed * 1_000_003 + number
        return (
            RandomSampler(seed=seed)
            if self._sweep.searcher == "random"
            else TPESampler(seed=seed, constant_liar=True)
        )

    def _past(self, record: Record) -> optuna.trial.FrozenTrial:
        chosen = {
            key: self._sweep.space[key] for key in record.overrides if key in self._sweep.space
        }
        params = {
            key: _inner(dimension, record.overrides[key]) for key, dimension in chosen.items()
        }
        create = partial(
            optuna.trial.create_trial,
            params=params,
            distributions={key: _distribution(d) for key, d in chosen.items()},
        )
        if record.state == "finished":
            values = [record.objectives[name] for name in self._sweep.objectives]
            return create(state=TrialState.COMPLETE, values=values)
        if record.state == "stopped" and record.objectives and len(self._sweep.objectives) == 1:
            halfway = {max(1, record.steps): record.objectives["mae_all"]}
            return create(state=TrialState.PRUNED, intermediate_values=halfway)
        return create(state=TrialState.FAIL)


def with_trials(sweep: SweepSpec, extend: int = 0) -> SweepSpec:
    """The same sweep with ``extend`` more trials; a grid decides itself how many there are.

    Raises:
        ConfigError: a grid is to be extended.
    """
    if sweep.searcher != "grid":
        return sweep.model_copy(update={"trials": sweep.trials + extend})
    if extend:
        raise ConfigError(
            "a grid has a fixed number of trials, so --extend cannot add any; search it with "
            "random or tpe instead"
        )
    return sweep.model_copy(update={"trials": grid_size(sweep)})


def grid_size(sweep: SweepSpec) -> int:
    return sum(1 for _ in _crossed(sweep))


def _crossed(sweep: SweepSpec) -> Iterator[Overrides]:
    """Every combination once; a key whose condition does not hold is left out."""
    seen: list[Overrides] = []
    base = _base(sweep)
    for values in product(*(dimension.entries or () for dimension in sweep.space.values())):
        overrides: Overrides = {}
        for (key, dimension), value in zip(sweep.space.items(), values, strict=True):
            if _applies(dimension, overrides, base):
                overrides[key] = value
        if overrides not in seen:
            seen.append(overrides)
            yield overrides


def _base(sweep: SweepSpec) -> Document:
    """The base job with every default, since a condition may be about one."""
    return JobSpec.model_validate(sweep.job).model_dump(mode="json")


def _applies(dimension: Dimension, overrides: Overrides, base: Document) -> bool:
    for key, wanted in dimension.when.items():
        value = overrides[key] if key in overrides else value_at(base, key)
        if value not in (wanted if isinstance(wanted, list | tuple) else (wanted,)):
            return False
    return True


def _suggest(trial: optuna.Trial, key: str, dimension: Dimension) -> JsonValue:
    if dimension.entries is not None:
        place = trial.suggest_categorical(key, list(range(len(dimension.entries))))
        entry: JsonValue = dimension.entries[place]
        return entry
    if dimension.int_ is not None:
        return trial.suggest_int(key, *dimension.int_)
    return trial.suggest_float(key, *bounds_of(dimension), log=dimension.loguniform is not None)


def _inner(dimension: Dimension, value: JsonValue) -> JsonValue:
    return value if dimension.entries is None else dimension.entries.index(value)


def _distribution(dimension: Dimension) -> BaseDistribution:
    if dimension.entries is not None:
        return CategoricalDistribution(list(range(len(dimension.entries))))
    if dimension.int_ is not None:
        return IntDistribution(*dimension.int_)
    return FloatDistribution(*bounds_of(dimension), log=dimension.loguniform is not None)


def bounds_of(dimension: Dimension) -> tuple[float, float]:
    """Of a range of real numbers."""
    bounds = dimension.uniform or dimension.loguniform
    assert bounds is not None
    return bounds
