"""Findings and runs that nobody trained: five methods, their numbers made from formulas."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

from federa.report.findings import (
    Clients,
    DiagnosticSeries,
    Difference,
    Findings,
    MethodResult,
    NetworkTime,
    Reached,
    Series,
    Setting,
    Share,
)
from federa.report.reaching import by_seed
from federa.report.statistics import better, interval, median, paired, reductions

NUM_ROUNDS, NUM_CLIENTS = 40, 12
NETWORK_RATES = {"lte": 0.8, "5g": 2.4, "wifi_50": 6.25, "ethernet_100": 12.5, "ethernet_1000": 125}
"""Megabytes a second towards the server; ten times as fast the other way."""
LAYERS = [
    f"layer.{number}.attention.self.{part}" for number in range(4) for part in ("query", "value")
]


@dataclass(frozen=True)
class Made:
    """What the numbers of a method are made from; tau: rounds until a score is near its end."""

    name: str
    end: float
    tau: float
    update_bytes: float
    num_trained: int
    gigaflops: float
    peak_bytes: float
    rate: float


METHODS = (
    Made("federa", 0.80, 5.0, 918_796, 228_883, 610, 0.42e9, 0.002),
    Made("lora", 0.78, 8.0, 918_796, 228_883, 610, 0.42e9, 0.005),
    Made("bitfit", 0.66, 11.0, 742_110, 184_851, 560, 0.36e9, 0.01),
    Made("houlsby", 0.77, 9.0, 1_930_220, 481_555, 660, 0.47e9, 0.002),
    Made("full", 0.81, 6.0, 90_270_464, 22_562_707, 1010, 9.3e9, 0.00005),
)
TARGET = 0.72


def synthetic_findings() -> Findings:
    """Two settings of five methods and three seeds, and one of three methods and one seed.

    bitfit never reaches the target, and full does not fit the memory of the device.
    """
    short = tuple(made for made in METHODS if made.name in ("federa", "lora", "full"))
    settings = [
        _setting("semeval-dirichlet-0.1", "dirichlet, alpha 0.1", METHODS, (1, 2, 3), 0.0, 0.62),
        _setting("semeval-iid", "iid", METHODS, (1, 2, 3), 0.03, 0.07),
        _setting("squad", "natural", short, (1,), 0.01, 0.35),
    ]
    return Findings(
        title="Five methods on made-up data",
        made="2026-11-26 12:00 UTC",
        settings=settings,
        smoothing="mean of the last three scored rounds, of fewer at the start",
        profile={
            "device": "jetson_agx_orin: 5.3 TFLOP/s, 30 % of it reached, 56 GB",
            "network": "wifi_50",
        },
        commands=[
            "federa compare semeval.yaml --methods federa,lora,bitfit,houlsby,full --seeds 3"
        ],
        configs={
            setting.name: "model: minilm\nfederation:\n  num_rounds: 40\n" for setting in settings
        },
        environment={
            "versions": {"python": "3.12.3", "torch": "2.9.0", "federa": "0.1.0"},
            "processor": "A processor",
            "commit": "0123456789abcdef",
        },
        notes=["squad: one seed; nothing can be said about the spread."],
    )


def curve(made: Made, seed: int, lift: float = 0.0) -> list[float]:
    """A score for every second round that rises towards its end, with a ripple of the seed's."""
    rounds = range(2, NUM_ROUNDS + 1, 2)
    return [
        (made.end + lift) * (1 - math.exp(-number / made.tau))
        + 0.012 * math.sin(1.7 * number + 2.1 * seed + len(made.name))
        for number in rounds
    ]


def series_of(made: Made, seed: int, lift: float = 0.0) -> Series:
    """The run of a method with one seed; 4 clients a round."""
    scores = curve(made, seed, lift)
    rounds = list(range(2, NUM_ROUNDS + 1, 2))
    smoothed = [sum(scores[max(0, i - 2) : i + 1]) / min(i + 1, 3) for i in range(len(scores))]
    down, compute, up = _round_seconds(made, "wifi_50")
    slow = 1 + 0.02 * seed
    return Series(
        method=made.name,
        seed=seed,
        rounds=rounds,
        scores=scores,
        smoothed=smoothed,
        bytes=[8 * made.update_bytes * number for number in rounds],
        measured_seconds=[0.004 * made.gigaflops * number for number in rounds],
        download_seconds=[down * number for number in rounds],
        compute_seconds=[compute * slow * number for number in rounds],
        upload_seconds=[up * number for number in rounds],
        joules=[4 * (40 * compute + 10 * (down + up)) * number for number in rounds],
    )


def _round_seconds(made: Made, network: str) -> tuple[float, float, float]:
    rate = NETWORK_RATES[network] * 1e6
    return made.update_bytes / (10 * rate), made.gigaflops / 1600, made.update_bytes / rate


def _reached(series: Series) -> Reached:
    place = next((i for i, value in enumerate(series.smoothed) if value >= TARGET), None)
    if place is None:
        return Reached(series.seed, NUM_ROUNDS)
    return Reached(
        series.seed,
        NUM_ROUNDS,
        series.rounds[place],
        series.bytes[place],
        series.download_seconds[place],
        series.compute_seconds[place],
        series.upload_seconds[place],
        series.joules[place],
    )


def _share(ours: list[Reached], full: list[Reached], what: str) -> Share:
    found = reductions(by_seed(ours, what), by_seed(full, what))
    return Share(median(list(found.values())), found)


def _method(made: Made, runs: list[Series], full: list[Reached]) -> MethodResult:
    test = {run.seed: run.smoothed[-1] - 0.01 for run in runs}
    validation = {run.seed: max(run.scores) for run in runs}
    reached = [_reached(run) for run in runs]
    shares = {what: _share(reached, full, what) for what in ("seconds", "bytes", "joules")}
    no_share = made.name == "full"
    return MethodResult(
        method=made.name,
        test=test,
        validation=validation,
        test_interval=interval(list(test.values())),
        validation_interval=interval(list(validation.values())),
        all_scores={
            "accuracy": interval(list(test.values())),
            "macro_f1": interval([value - 0.04 for value in test.values()]),
        },
        best_rounds={run.seed: run.rounds[run.scores.index(max(run.scores))] for run in runs},
        learning_rates={run.seed: made.rate for run in runs},
        tried={made.rate / 2: made.end - 0.2, made.rate: made.end - 0.15, made.rate * 5: None},
        reached=reached,
        time_reduction=None if no_share else shares["seconds"],
        bytes_reduction=None if no_share else shares["bytes"],
        energy_reduction=None if no_share else shares["joules"],
        num_trained_parameters=made.num_trained,
        num_head_parameters=155_155,
        num_parameters=22_700_000,
        update_bytes=made.update_bytes,
        update_head_bytes=620_620,
        first_contact_bytes=made.update_bytes * (1.3 if made.name == "federa" else 1),
        flops_per_round=made.gigaflops * 1e9,
        peak_bytes=made.peak_bytes,
        fits=made.name != "full",
        measured_seconds={run.seed: run.measured_seconds[-1] for run in runs},
        per_client=[
            min(1.0, max(0.0, made.end + 0.15 * math.sin(3.1 * client + len(made.name))))
            for client in range(NUM_CLIENTS)
        ],
        failures={},
    )


def _network(made: Made, network: str, result: MethodResult, full: MethodResult) -> NetworkTime:
    parts = _round_seconds(made, network)
    middle = median([run.round for run in result.reached])
    of_full = median([run.round for run in full.reached])
    to_target = reduction = None
    if middle is not None:
        to_target = (parts[0] * middle, parts[1] * middle, parts[2] * middle)
        if of_full is not None and made.name != "full":
            reduction = 1 - sum(to_target) / (sum(_round_seconds(METHODS[-1], network)) * of_full)
    by_seed = {
        run.seed: run.round and tuple(part * run.round for part in parts) for run in result.reached
    }
    return NetworkTime(network, made.name, to_target, parts, reduction, by_seed)


def _clients(distance: float) -> Clients:
    labels = [f"relation {number}" for number in range(8)]
    skew = 1 + 30 * distance
    counts = [
        [round(40 * math.exp(-skew * ((5 * client + 3 * label) % 8) / 8)) for label in range(8)]
        for client in range(NUM_CLIENTS)
    ]
    return Clients("relation", labels, counts, [sum(row) for row in counts], distance, 0.06)


def _diagnostics(made: Made, seed: int) -> DiagnosticSeries:
    rounds = list(range(1, NUM_ROUNDS + 1))
    scale = {"federa": 1.0, "lora": 0.7, "full": 0.3}.get(made.name)

    def lines(size: float, tau: float, known: bool = True) -> list[list[float | None]]:
        return [
            [
                size * (1 + 0.1 * place) * (1 - math.exp(-number / tau)) if known else None
                for number in rounds
            ]
            for place in range(len(LAYERS))
        ]

    factored = made.name in ("federa", "lora")
    return DiagnosticSeries(
        made.name,
        seed,
        rounds,
        LAYERS,
        {
            "magnitude": lines(0.05 * (scale or 0), 12, scale is not None),
            "direction": lines(0.01 * (scale or 0), 12, scale is not None),
            "drift": lines(0.4, 3),
            "averaging_error": lines(0.08, 5, factored),
            "row_angle": lines(12, 15, factored),
            "column_angle": lines(9, 15, made.name == "federa"),
        },
    )


def _setting(
    name: str,
    split: str,
    methods: tuple[Made, ...],
    seeds: tuple[int, ...],
    lift: float,
    skew: float,
) -> Setting:
    runs = {made.name: [series_of(made, seed, lift) for seed in seeds] for made in methods}
    full = [_reached(run) for run in runs["full"]]
    results = [_method(made, runs[made.name], full) for made in methods]
    differences = []
    for one, other in combinations(results, 2):
        found = paired(one.test, other.test)
        assert found is not None
        winner = better(found, one.method, other.method)
        differences.append(Difference(one.method, other.method, found, winner))
    return Setting(
        name=name,
        description={
            "model": "minilm",
            "data": f"{name.partition('-')[0]}, 480 training examples",
            "split": split,
            "clients": "12, 4 a round",
            "rounds": "40",
        },
        score="accuracy",
        target=TARGET,
        target_source="given",
        baseline=0.17,
        num_rounds=NUM_ROUNDS,
        methods=results,
        series=[run for made in methods for run in runs[made.name]],
        differences=differences,
        networks=[
            _network(made, network, result, results[-1])
            for network in NETWORK_RATES
            for made, result in zip(methods, results, strict=True)
        ],
        clients=_clients(skew),
        diagnostics=[_diagnostics(made, seed) for made in methods for seed in seeds],
        ceiling={seed: 0.84 + 0.003 * seed for seed in seeds},
    )
