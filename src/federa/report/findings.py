"""What a comparison found, as plain data: tables, figures and the page are made from it.

A setting is everything but the method and the seed: data, split, federation. Scores are those of
the task, higher is better; cumulative series are up to and including the round. Modelled seconds
and joules come from a profile and are empty without one; measured seconds are of the machine that
ran the simulation, and the two are never added.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval over ``num_values``; low and high are None for one value."""

    mean: float
    low: float | None
    high: float | None
    num_values: int


@dataclass(frozen=True)
class Series:
    """One run along the rounds that were scored, all lists of one length.

    scores: on validation; smoothed: as ``Findings.smoothing`` says; bytes: sent and received by all
    clients together, cumulative; the modelled seconds are cumulative parts of the slowest clients.
    """

    method: str
    seed: int
    rounds: list[int]
    scores: list[float]
    smoothed: list[float]
    bytes: list[float]
    measured_seconds: list[float]
    download_seconds: list[float] = field(default_factory=list)
    compute_seconds: list[float] = field(default_factory=list)
    upload_seconds: list[float] = field(default_factory=list)
    joules: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Reached:
    """Where a run that is over reached the target; all but seed and num_rounds None if nowhere.

    round: the first whose smoothed score is at least the target; the rest is cumulative to there,
    and None too where no profile was given.
    """

    seed: int
    num_rounds: int
    round: int | None = None
    bytes: float | None = None
    download_seconds: float | None = None
    compute_seconds: float | None = None
    upload_seconds: float | None = None
    joules: float | None = None

    @property
    def seconds(self) -> float | None:
        """Modelled seconds in all."""
        if self.download_seconds is None or self.compute_seconds is None:
            return None
        return self.download_seconds + self.compute_seconds + (self.upload_seconds or 0.0)


@dataclass(frozen=True)
class Share:
    """Bytes, seconds or joules up to the target, of those of full fine-tuning, paired by seed.

    reductions: 1 - ours / full for each seed on which one of them reached the target, -inf where it
    was full alone and inf where it was the method alone; median of them, None if it is not finite.
    """

    median: float | None
    reductions: dict[int, float]


@dataclass(frozen=True)
class MethodResult:
    """One method in one setting, over its seeds.

    test, validation: main score of the best round on everything, by seed; all_scores: every test
    score by name, an interval each; per_client: a test (else validation) score of each client, of
    the first seed, where clients were scored; learning_rates: chosen, by seed; tried: validation
    score by rate, of the seed on which it was searched; update_bytes: of one client's upload, and
    of it what belongs to the task head; flops_per_round: of one client, mean; peak_bytes: modelled
    memory of a client, and whether it fits all devices of the profile (None without profile);
    failures: seed and reason, of runs without result.
    """

    method: str
    test: dict[int, float]
    validation: dict[int, float]
    test_interval: Interval | None
    validation_interval: Interval | None
    all_scores: dict[str, Interval]
    best_rounds: dict[int, int]
    learning_rates: dict[int, float]
    tried: dict[float, float | None]
    reached: list[Reached]
    time_reduction: Share | None
    bytes_reduction: Share | None
    energy_reduction: Share | None
    num_trained_parameters: int
    num_head_parameters: int
    num_parameters: int
    update_bytes: float
    update_head_bytes: float
    first_contact_bytes: float
    flops_per_round: float | None
    peak_bytes: float | None
    fits: bool | None
    measured_seconds: dict[int, float]
    per_client: list[float] | None
    failures: dict[int, str]


@dataclass(frozen=True)
class Difference:
    """Test score of ``first`` minus that of ``second``, paired by seed.

    better: the method that is better, or None where the interval includes zero or there are fewer
    than two pairs.
    """

    first: str
    second: str
    interval: Interval
    better: str | None


@dataclass(frozen=True)
class NetworkTime:
    """Modelled seconds of one method up to the target over one network, median over the seeds.

    of_round: the same three parts of a mean round; reduction: against full fine-tuning, median as
    in ``Share``; by_seed: the three parts up to the target, None where it was not reached.
    """

    network: str
    method: str
    to_target: tuple[float, float, float] | None
    of_round: tuple[float, float, float]
    reduction: float | None
    by_seed: dict[int, tuple[float, float, float] | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Clients:
    """Who holds what: counts [C][L] of labels by client (axis says what the labels are), sizes [C],
    mean Jensen-Shannon distance of clients to the pool, and that of a random deal."""

    axis: str
    labels: list[str]
    counts: list[list[int]]
    sizes: list[int]
    distance: float
    random_distance: float


@dataclass(frozen=True)
class DiagnosticSeries:
    """Of one run: by quantity, for each layer (short name), a value (or None) for each round.

    Quantities: magnitude, direction, drift, averaging_error, row_angle, column_angle; see
    ``federa.diagnostics``.
    """

    method: str
    seed: int
    rounds: list[int]
    layers: list[str]
    values: dict[str, list[list[float | None]]]


@dataclass(frozen=True)
class Setting:
    """One setting and all methods in it.

    ceiling: pooled full fine-tuning, test score by seed; data: the data set and what was chosen of
    it, in words; notes: what a reader must know besides the numbers.
    """

    name: str
    description: dict[str, str]
    score: str
    target: float | None
    target_source: str
    baseline: float | None
    num_rounds: int
    methods: list[MethodResult]
    series: list[Series]
    differences: list[Difference]
    networks: list[NetworkTime]
    clients: Clients | None
    diagnostics: list[DiagnosticSeries]
    ceiling: dict[int, float] = field(default_factory=dict)
    data: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Findings:
    """Everything that a report says.

    smoothing: in words; profile: name and what it assumes, by key; commands: how to make it again;
    configs: for each setting, what its runs share, as YAML; environment: versions and hardware;
    notes: beside those of the settings.
    """

    title: str
    made: str
    settings: list[Setting]
    smoothing: str
    profile: dict[str, str]
    commands: list[str]
    configs: dict[str, str]
    environment: dict[str, Any]
    notes: list[str]
