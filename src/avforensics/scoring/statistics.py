"""Statistics of a video's rows, which complement the published score.

The published score measures how well each window is predicted from the previous windows. A network
that is unsure gives flat rows, which are easy to predict and therefore count as normal. The
statistics in this module measure the same rows in other ways: how sure the network is, whether the
delay is constant, and how often it jumps. They do not run the network again.

Each statistic uses the windows of `VideoRows`, in which every delay has valid audio. A short clip
is measured on all of its windows; do not compare its statistics with those of longer clips.

The direction that indicates a fake depends on the forgery: the output of a generator trained
against a synchronisation network is more in sync than real speech, whereas a swapped voice is less
in sync. ``fake`` is the direction of videos whose audio and video do not match; a fusion uses both
directions unless ``sides`` is ``one``.

To add a statistic::

    @statistic("my_name", scale="positive", fake="high")
    def my_name(rows: VideoRows) -> float:
        "One sentence: what it measures, and its source."
        return float(...)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from avforensics.errors import ConfigError
from avforensics.registry import Registry
from avforensics.scoring.offset import log_probabilities
from avforensics.scoring.rows import NEAR, VideoRows

SCALES = ("share", "positive", "real")
APART = 2  # frames; delays at most this far apart count as equal
LEAST_PART = 10  # minimum number of windows before and after a change of delay
MOST_CHANGES = 2000  # windows; in videos with twice as many, not every window is tried


@dataclass(frozen=True)
class Statistic:
    """A number computed from a video's rows.

    Attributes
    ----------
    function : callable
        Maps `VideoRows` to a float, or to None if an input is missing.
    scale : str
        ``share`` = in [0, 1], ``positive`` = 0 or more, without an upper limit, ``real`` = any
        number. The scale selects the transform with which a fusion makes the values nearly normal.
    fake : str
        ``high`` or ``low``: the values of videos whose audio and video do not match.
    sides : str
        ``two`` = high and low values are unusual; ``one`` = only values towards ``fake`` are.
    meaning : str
        One sentence: what the statistic measures, and its source.
    """

    name: str
    function: Callable[[VideoRows], float | None]
    scale: str
    fake: str
    sides: str
    meaning: str

    def towards_fake(self, value: float) -> float:
        """Return the value with the polarity of a score: higher = more likely fake."""
        return value if self.fake == "high" else -value


STATISTICS: Registry[Statistic] = Registry("statistic")


def statistic(
    name: str, *, scale: str = "real", fake: str = "high", sides: str = "two"
) -> Callable[[Callable[[VideoRows], float | None]], Callable[[VideoRows], float | None]]:
    """Register a function of `VideoRows` as a statistic; its docstring becomes ``meaning``.

    Parameters
    ----------
    name : str
        Unique name of the statistic, and of its column in tables.
    scale, fake, sides : str
        As in `Statistic`.

    Raises
    ------
    ConfigError
        ``scale``, ``fake`` or ``sides`` is unknown.
    ValueError
        Another statistic has that name.
    """
    if scale not in SCALES or fake not in ("high", "low") or sides not in ("one", "two"):
        raise ConfigError(
            f"statistic {name}: scale must be one of {', '.join(SCALES)}, fake must be high or "
            f"low, and sides must be one or two, got {scale!r}, {fake!r} and {sides!r}"
        )

    def register(function: Callable[[VideoRows], float | None]) -> Callable:
        meaning = " ".join((function.__doc__ or "").split())
        STATISTICS[name] = Statistic(name, function, scale, fake, sides, meaning)
        return function

    return register


def check_statistics(names: Iterable[str]) -> tuple[str, ...]:
    """Check names of statistics.

    Raises
    ------
    ConfigError
        ``names`` is empty, or contains a duplicate or unknown name.
    """
    names = tuple(names)
    unknown = [name for name in names if name not in STATISTICS]
    if unknown:
        raise ConfigError(f"unknown statistic {unknown[0]!r}; known: {', '.join(STATISTICS)}")
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"statistics must be one or more distinct names, got {list(names)}")
    return names


def measure(rows: VideoRows, names: Iterable[str] | None = None) -> dict[str, float]:
    """Compute statistics of one video, by name; those that cannot be computed are left out.

    Parameters
    ----------
    names : iterable of str, optional
        Names of the statistics; None = all registered statistics.
    """
    found = {}
    for name in STATISTICS if names is None else check_statistics(names):
        value = STATISTICS[name].function(rows)
        if value is not None and np.isfinite(value):
            found[name] = float(value)
    return found


def towards_fake(values: Mapping[str, float]) -> dict[str, float]:
    """Return statistics with the polarity of a score: higher = more likely fake."""
    return {name: STATISTICS[name].towards_fake(value) for name, value in values.items()}


@statistic("score", scale="positive", fake="high", sides="two")
def score(rows: VideoRows) -> float | None:
    """The published score: mean step loss of the anomaly model (Feng et al. 2023, Eq. 5)."""
    return rows.score


@statistic("mean_maximum", scale="share", fake="low")
def mean_maximum(rows: VideoRows) -> float:
    """Mean probability of each window's most likely delay: how sure the network is."""
    return float(rows.probability.max(axis=1).mean())


@statistic("entropy", scale="positive", fake="high")
def entropy(rows: VideoRows) -> float:
    """Mean entropy of the distribution over delays, in nats: 0 = sure, log D = flat."""
    log = np.log(np.clip(rows.probability, 1e-300, None))
    return float(-(rows.probability * log).sum(axis=1).mean())


@statistic("constant_delay", scale="real", fake="low")
def constant_delay(rows: VideoRows) -> float:
    """Mean log-probability of the best constant delay, relative to flat rows; log D = perfect sync.

    The same measure finds the speaking face.
    """
    log = log_probabilities(rows.logits)
    return float(log.mean(axis=0).max() + np.log(log.shape[1]))


@statistic("at_delay", scale="share", fake="low")
def at_delay(rows: VideoRows) -> float:
    """Share of windows whose most likely delay is within one frame of the clip's delay."""
    return float((np.abs(rows.likeliest - rows.delay) <= NEAR).mean())


@statistic("mass_at_delay", scale="share", fake="low")
def mass_at_delay(rows: VideoRows) -> float:
    """Mean probability within one frame of the clip's delay."""
    return float(rows.mass_at_delay.mean())


@statistic("mass_spread", scale="positive", fake="high")
def mass_spread(rows: VideoRows) -> float:
    """Standard deviation over windows of the probability near the clip's delay."""
    return float(rows.mass_at_delay.std())


@statistic("delay_distance", scale="positive", fake="high")
def delay_distance(rows: VideoRows) -> float:
    """Mean distance of the probability mass from the clip's delay, in frames."""
    away = np.abs(np.arange(rows.probability.shape[1]) - rows.delay)
    return float((rows.probability @ away).mean())


@statistic("jump_rate", scale="share", fake="high")
def jump_rate(rows: VideoRows) -> float | None:
    """Share of steps between windows at which the most likely delay moves by over one frame."""
    jumps = np.abs(np.diff(rows.likeliest)) > NEAR
    return float(jumps[rows.follows].mean()) if rows.follows.any() else None


@statistic("delay_change", scale="positive", fake="high", sides="one")
def delay_change(rows: VideoRows) -> float | None:
    """How much better two constant delays explain the video than one does, in nats.

    This is the generalised likelihood ratio of one change point. Log-probabilities are summed
    before and after the point, at two delays more than `APART` frames apart.
    """
    log = log_probabilities(rows.logits)
    n, delays = log.shape
    if n < 2 * LEAST_PART:
        return None
    before = log.cumsum(axis=0)
    total = before[-1]
    index = np.arange(delays)
    apart = np.where(np.abs(index[:, None] - index) > APART, 0.0, -np.inf)
    step = max(1, n // MOST_CHANGES)
    two = max(
        float((apart + before[at - 1][:, None] + (total - before[at - 1])).max())
        for at in range(LEAST_PART, n - LEAST_PART + 1, step)
    )
    return max(two - float(total.max()), 0.0)


@statistic("row_divergence", scale="positive", fake="high")
def row_divergence(rows: VideoRows) -> float | None:
    """Mean KL divergence of each row from the previous row.

    This is the score of the simplest anomaly model, whose prediction is the previous row.
    """
    if not rows.follows.any():
        return None
    log = log_probabilities(rows.logits)
    steps = (rows.probability[1:] * (log[1:] - log[:-1])).sum(axis=1)
    return float(steps[rows.follows].mean())


@statistic("naive_bayes", scale="positive", fake="high", sides="one")
def naive_bayes(rows: VideoRows) -> float | None:
    """Mean negative log-frequency, in real videos, of each window's most likely delay.

    This is the first row of Feng et al.'s Table 3; it needs counts from real videos.
    """
    if rows.delay_frequency is None:
        return None
    return float(-np.asarray(rows.delay_frequency)[rows.likeliest].mean())


@statistic("activation_error", scale="positive", fake="high")
def activation_error(rows: VideoRows) -> float | None:
    """Mean squared error of the predicted activations: the second part of the published score."""
    if rows.activation is None or not np.isfinite(rows.activation).any():
        return None
    return float(np.nanmean(rows.activation))
