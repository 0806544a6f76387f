"""Values that may mean missing, and values that float32 cannot tell apart, found while readings
stream by.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from dynst.data.importers.few_values import beyond_gaps, may_be_marks
from dynst.data.importers.names import counted
from dynst.data.importers.report import Finding, assumed, known
from dynst.data.manifest import Question

__all__ = ["FillValues"]

NEGATIVE = "1 9 77 88 99 99.9 127 999 999.9 8888 9999 9999.9 99999 999999 32766 32767 32768"
NEGATIVE += " 2147483648 1e20 1e30 1e34 1e37 3.4028235e38"
POSITIVE = "99 99.9 255 999 999.9 6999 7999 8888 9999 9999.9 88888 99999 999999 32766 32767 65535"
POSITIVE += " 2147483647 1e20 9.96921e36 1e30 1e34 1e35 1e36 1e37 3.4028235e38"
SENTINELS = frozenset(
    float(np.float32(value))
    for value in (*(f"-{size}" for size in NEGATIVE.split()), *POSITIVE.split())
)
ZERO_SHARE = 0.005  # fewer zeros are readings
NEAR_ZERO, MASS = 0.02, 10  # zeros are a mass if they are so many times what lies just above them
GAP = 0.5  # of the range of all others lies between them and a value that stands there once
FENCES = 30  # distances between quartiles beyond one of them, from which an extreme is looked at
FAR = 10  # ranges of all others lie between them and a value that is no usual sentinel
LAYERS = 8  # of extremes that are looked at in a block
MOST_SUSPECTS = 16  # of a channel: those that stand there once make room
SAMPLED_VALUES, MOST_SAMPLED = 20_000, 500_000  # of a block, and of all
LEAST_LARGE = 2.0**17  # below it float32 keeps hundredths
LOOKED_AT = 250  # steps and sensors of a block
LOST = 0.5  # of a typical change must be kept


@dataclass
class _Channel:
    """What was seen of one quantity, without the values in question."""

    low: float = np.inf
    high: float = -np.inf
    observed: int = 0
    suspects: dict[float, int] = field(default_factory=dict)
    samples: list[np.ndarray] = field(default_factory=list)
    thinned: int = 1
    changes: list[float] = field(default_factory=list)
    largest: float = 0.0

    def watch(self, values: np.ndarray) -> None:
        """``values [N, S]``, NaN where missing."""
        low, high = float(np.fmin.reduce(values, None)), float(np.fmax.reduce(values, None))
        if np.isnan(low):
            return
        flat = values.ravel()
        self.observed += int(flat.size - np.isnan(flat).sum())
        self._sample(flat, low, high)
        inside = [value for value in self.suspects if low <= value <= high]
        for value in inside:
            self.suspects[value] += int((flat == value).sum())
        fences = self._fences()
        for _ in range(LAYERS):
            suspect = _suspect(low, high, fences)
            if suspect is None:
                break
            if suspect not in self.suspects:
                self.suspects[suspect] = int((flat == suspect).sum())
            flat = flat[flat != suspect]
            if not flat.size:
                return
            low, high = float(np.fmin.reduce(flat)), float(np.fmax.reduce(flat))
            if np.isnan(low):
                return
        apart = beyond_gaps(flat, _levels(self.samples[-1], low, high))
        self.suspects = apart | self.suspects
        if apart:
            flat = flat[~np.isin(flat, list(apart))]
            low = float(np.fmin.reduce(flat, initial=np.inf))
            high = float(np.fmax.reduce(flat, initial=-np.inf))
        self._extend(low, high)

    def _extend(self, low: float, high: float) -> None:
        """Bounds of readings; what lies within them is in question no longer."""
        self.low, self.high = min(self.low, low), max(self.high, high)
        seldom = [value for value, count in self.suspects.items() if count == 1]
        if len(self.suspects) > MOST_SUSPECTS:
            self.low, self.high = min([self.low, *seldom]), max([self.high, *seldom])
        for value in [value for value in self.suspects if self.low <= value <= self.high]:
            if value != 0 and not _usual(value):
                del self.suspects[value]

    def _sample(self, flat: np.ndarray, low: float, high: float) -> None:
        """Keep some values of each block; ever fewer, so that memory does not grow."""
        sample = flat[:: max(1, flat.size // SAMPLED_VALUES) * self.thinned]
        sample = sample[~np.isnan(sample)]
        self.samples.append(sample if sample.size else np.array([low, high]))
        if sum(len(part) for part in self.samples) > MOST_SAMPLED:
            self.thinned *= 2
            self.samples = [part[::2].copy() for part in self.samples]

    def _fences(self) -> tuple[float, float]:
        """Beyond which an extreme of the latest block is looked at."""
        low, high = np.percentile(self.samples[-1], [25, 75])
        width = FENCES * max(float(high - low), 1e-9)
        return float(low) - width, float(high) + width

    def watch_changes(self, values: np.ndarray) -> None:
        """``values [N, S]``, to learn whether float32 keeps how they change."""
        part = values[:LOOKED_AT, :LOOKED_AT]
        fences = self.low - GAP * (self.high - self.low), self.high + GAP * (self.high - self.low)
        inside = (part >= fences[0]) & (part <= fences[1])
        largest = float(np.abs(part, where=inside, out=np.zeros(part.shape)).max(initial=0.0))
        if largest < LEAST_LARGE or values.dtype == np.float32 or len(values) < 2:
            return
        part = np.where(inside, part, np.nan)
        change = np.abs(np.diff(part, axis=0))
        change = change[change > 0]
        if change.size:
            self.changes.append(float(np.median(change)))
            self.largest = max(self.largest, largest)

    @property
    def resolution_lost(self) -> tuple[float, float] | None:
        """The spacing of float32 at the largest reading and the typical change, if it is lost."""
        if not self.changes:
            return None
        spacing, change = (
            float(np.spacing(np.float32(self.largest))),
            float(np.median(self.changes)),
        )
        return (spacing, change) if spacing > LOST * change else None

    def questions(self) -> Iterator[tuple[float, int, str]]:
        """Value, count and reason, from the innermost outward."""
        low, high = self.low, self.high
        for value in sorted(self.suspects, key=lambda value: abs(value - (low + high) / 2)):
            count = self.suspects[value]
            if reason := self._reason(value, count, low, high):
                yield value, count, reason
            else:
                low, high = min(low, value), max(high, value)

    def _reason(self, value: float, count: int, low: float, high: float) -> str:
        if low > high:  # nothing but suspects
            return "" if value == 0 else "and nothing else was read"
        others = f"while all others lie in {_text(low)}…{_text(high)}"
        if value == 0:
            return self._reason_of_zeros(count, others)
        negative = [other for other in self.suspects if other < 0]
        if value < 0 <= low and (len(negative) == 1 or all(map(_usual, negative))):
            alone = (
                "the only negative value" if len(negative) == 1 else "one of few negative values"
            )
            return f"{alone}, {others}"
        gap = low - value if value < low else value - high
        width = high - low
        if _usual(value) and (gap > GAP * width or (count > 1 and abs(value) >= 999)):
            return f"a usual fill value, {others}"
        if self._apart(value, low, high):
            return f"one of few values apart, {others}"
        return f"far outside, {others}" if gap > FAR * width > 0 else ""

    def _apart(self, value: float, low: float, high: float) -> bool:
        """Whether this value and those beside it on its side of all others may be marks."""
        beside = {
            other: count
            for other, count in self.suspects.items()
            if (other < low and value < low) or (other > high and value > high)
        }
        return may_be_marks(beside, _levels(np.concatenate(self.samples), low, high))

    def _reason_of_zeros(self, count: int, others: str) -> str:
        if self.low < 0 < self.high or count < ZERO_SHARE * self.observed:
            return ""
        sample = np.abs(np.concatenate(self.samples))
        band = max(
            NEAR_ZERO * np.percentile(sample, 99), np.min(sample, where=sample > 0, initial=np.inf)
        )
        near = (sample > 0) & (sample <= band)
        mass = count / self.observed > MASS * near.mean()
        return f"and hardly any is near to zero, {others}" if mass else ""


@dataclass
class FillValues:
    """Watches the readings of all channels.

    Args:
        channels: their names.
        declared: values that the user declared to mean missing.
    """

    channels: Sequence[str]
    declared: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        self._seen = [_Channel() for _ in self.channels]
        self._declared = dict.fromkeys(self.declared, 0)

    def watch(self, values: np.ndarray) -> None:
        """``values [N, S, C]``, NaN where missing."""
        for index, seen in enumerate(self._seen):
            own = values[..., index]
            for marker in self.declared:
                hits = own.astype(np.float32, copy=False) == np.float32(marker)
                self._declared[marker] += int(hits.sum())
                own = np.where(hits, np.nan, own)
            seen.watch(own if own.dtype.kind == "f" else own.astype(np.float64))

    def watch_changes(self, values: np.ndarray) -> None:
        """``values [N, S, C]`` in order of time, as float64 where float32 may not hold them."""
        for index, seen in enumerate(self._seen):
            seen.watch_changes(values[..., index])

    def questions(self) -> tuple[Question, ...]:
        """Values that may mean missing; a lone negative one and usual fill values come first."""
        found = [
            Question(
                channel=name,
                value=float(np.float32(value)),
                count=count,
                total=seen.observed,
                reason=reason,
            )
            for name, seen in zip(self.channels, self._seen, strict=True)
            for value, count, reason in seen.questions()
        ]
        return tuple(sorted(found, key=lambda question: question.value == 0))

    def findings(self) -> tuple[Finding, ...]:
        """How often declared values occurred, and channels whose changes float32 loses."""
        lost = {
            name: seen.resolution_lost
            for name, seen in zip(self.channels, self._seen, strict=True)
            if seen.resolution_lost is not None
        }
        missing = (
            known(_declared(count, _text(marker))) for marker, count in self._declared.items()
        )
        return *missing, *(
            assumed(
                f"'{name}' is so large that float32 keeps it in steps of {_text(spacing)}, but it "
                f"changes by {_text(change)}: much of that is lost",
                "import the differences from step to step in its place",
            )
            for name, (spacing, change) in lost.items()
        )


def _suspect(low: float, high: float, fences: tuple[float, float]) -> float | None:
    """An extreme that may be no reading, if one is."""
    if high == 0 or _usual(high) or high > fences[1]:
        return high
    if low == 0 or _usual(low) or low < fences[0]:
        return low
    return None


def _declared(count: int, marker: str) -> str:
    if not count:
        return f"no reading is {marker}, which --missing names"
    verb = "is" if count == 1 else "are"
    return f"{counted(count, 'reading')} {verb} {marker} and so missing"


def _levels(sample: np.ndarray, low: float, high: float) -> np.ndarray:
    """Distinct readings between two, which are among them."""
    levels: np.ndarray = np.unique(np.append(sample[(sample > low) & (sample < high)], (low, high)))
    return levels


def _usual(value: float) -> bool:
    return float(np.float32(value)) in SENTINELS


def _text(value: float) -> str:
    return f"{value:.6g}"
