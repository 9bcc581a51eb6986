"""What a person sees of a run: a header, a line a round, a live bar on a terminal, a summary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table

if TYPE_CHECKING:
    from federa.checkpoint import RunFacts
    from federa.config import RunConfig
    from federa.evaluation_run import Evaluation
    from federa.experiment import RunResult
    from federa.measure import RoundRecord

Item = TypeVar("Item")


def human_bytes(number: float) -> str:
    """Decimal units, three digits: 917 kB, 1.21 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} TB"


def human_seconds(seconds: float) -> str:
    """1:02:03, 2:03 or 12.3 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


class RunDisplay:
    """A ``Progress`` for terminals and logs alike; the live bar appears on a terminal only."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True, markup=False)
        self.folder: Path | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[text]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._rounds: TaskID | None = None
        self._clients: TaskID | None = None
        self._num_rounds = self._whole = 0
        self._seconds: list[float] = []
        self._bytes = 0
        self._main_score = ""

    @contextmanager
    def live(self, waiting: str) -> Iterator[None]:
        """Keep the bar on the screen inside the block; ``waiting`` is shown until a run starts."""
        self.console.print(waiting, style="dim")
        with self._bar:
            yield

    def started(self, config: RunConfig, facts: RunFacts, folder: Path, done: int) -> None:
        """Print what is about to run."""
        self.folder, self._whole = folder, config.federation.num_rounds
        self._main_score = config.task.main_score
        per_round = config.federation.clients_per_round or facts.num_clients
        trained = f"{facts.num_trained_parameters:,} of {facts.num_parameters:,} parameters"
        say = self.console.print
        say(f"{config.name}  {folder}", style="bold")
        say(f"  model   {config.model}, trains {trained} (head {facts.num_head_parameters:,})")
        say(
            f"  method  {config.method.name}, rule {config.rule.name}, "
            f"learning rate {_rates(config)}"
        )
        say(
            f"  clients {facts.num_clients}, {per_round} a round, split {config.partition.name}; "
            f"{facts.num_train_examples:,} examples"
            + (f", {len(facts.labels)} labels" if facts.labels else "")
        )
        plan = facts.plan
        say(
            f"  plan    {plan.engine} on {plan.device}, {plan.threads} threads, "
            f"{'; '.join(plan.reasons)}"
        )
        if done:
            say(f"  resumed after round {done}")
        self._rounds = self._bar.add_task("rounds", total=self._whole, text="")
        self._begin(self._whole, done)
        self._clients = self._bar.add_task("clients", total=None, text="")

    def searching(self, rate: float, number: int, total: int, num_rounds: int) -> None:
        """Print which learning rate is tried."""
        self.console.print(
            f"learning rate {rate:g} ({number} of {total}), {num_rounds} rounds", style="bold"
        )
        self._begin(num_rounds, 0)

    def chose(self, rate: float, done: int) -> None:
        """Print the choice."""
        self.console.print(
            f"learning rate {rate:g} chosen on validation; going on after round {done}",
            style="bold",
        )
        self._begin(self._whole, done)

    def _begin(self, num_rounds: int, done: int) -> None:
        """Count rounds from ``done`` to ``num_rounds``."""
        self._num_rounds, self._seconds = num_rounds, []
        if self._rounds is not None:
            self._bar.reset(self._rounds, total=num_rounds, completed=done, text="")

    def clients(self, arrivals: Iterable[Item], round: int, total: int) -> Iterable[Item]:
        """Move the client bar on."""
        assert self._clients is not None
        self._bar.reset(self._clients, total=total, text="")
        for arrival in arrivals:
            self._bar.advance(self._clients)
            yield arrival
        self._bar.update(self._clients, text="scoring")

    def finished_round(self, record: RoundRecord, score: float | None) -> None:
        """Print the round's line."""
        self._seconds.append(record.measured_seconds["total"])
        self._bytes += record.down.serialised_bytes + record.up.serialised_bytes
        recent = self._seconds[-5:]
        left = (self._num_rounds - record.round) * sum(recent) / len(recent)
        shown = "       -" if score is None else f"{score:8.4f}"
        error = record.scores.get("validation", {}).get("standard_error")
        if error is not None:
            shown += f" ±{error:.4f}"
        loss = record.train_loss
        modelled = ""
        if record.modelled_seconds is not None:
            modelled = f"  modelled {human_seconds(sum(record.modelled_seconds.values()))}"
        self.console.print(
            f"round {record.round:>4}/{self._num_rounds}  {score_name(self._main_score)}{shown}  "
            f"loss {loss if loss is None else format(loss, '.3f')}  "
            f"down {human_bytes(record.down.serialised_bytes)}  "
            f"up {human_bytes(record.up.serialised_bytes)}  "
            f"{human_seconds(self._seconds[-1])}{modelled}  left {human_seconds(left)}"
        )
        for failure in record.failures:
            self.console.print(
                f"  client {failure.client} set aside: {failure.reason}", style="yellow"
            )
        if self._rounds is not None:
            text = f"total {human_bytes(self._bytes)}, {human_seconds(left)} left"
            self._bar.update(self._rounds, completed=record.round, text=text)

    def note(self, text: str) -> None:
        """Print one line."""
        self.console.print(f"  {text}", style="dim")


def _rates(config: RunConfig) -> str:
    if config.search is not None:
        return "one of " + ", ".join(f"{rate:g}" for rate in config.search.grid)
    return f"{config.train.learning_rate:g}"


def show_result(console: Console, result: RunResult) -> None:
    """The final table, and what can be done next."""
    summary = result.summary
    table = Table(
        title=f"{result.folder.name}: {summary['num_rounds']} rounds", title_justify="left"
    )
    splits, names = list(summary["baseline"]), summary["shown_scores"]
    table.add_column("split")
    table.add_column("state")
    for name in names:
        table.add_column(score_name(name), justify="right")
    rows: list[tuple[str, dict[str, Any]]] = [
        (f"{name} (round {summary[name]['round']})", summary[name]["scores"])
        for name in ("best", "latest")
        if name in summary
    ]
    for split in splits:
        for name, scores in rows:
            table.add_row(split, name, *(f"{scores[split][score]:.4f}" for score in names))
        guess = f"{summary['baseline'][split]:.4f}"
        table.add_row(split, summary["baseline_name"], guess, style="dim", end_section=True)
    console.print(table)
    final = rows[0][1] if rows else {}
    for split in splits:
        if "groups" in final.get(split, {}):
            show_groups(console, f"{rows[0][0]}, {split}", final[split]["groups"], names)
    down, up = (summary["bytes"][way]["serialised_bytes"] for way in ("down", "up"))
    console.print(
        f"traffic {human_bytes(down)} down, {human_bytes(up)} up, all clients; rounds took "
        f"{human_seconds(summary['measured_seconds'])}; clients set aside {summary['num_failures']}"
    )
    if summary.get("search"):
        console.print(_search_line(summary["search"]))
    console.print(f"run folder   {result.folder}")
    for path in result.exports:
        console.print(f"exported to  {path}")
    console.print(f"answer       federa predict {result.folder} FILE")


def score_name(name: str) -> str:
    """A score as a table shows it: macro-F1, exact match."""
    return {
        "f1": "F1",
        "macro_f1": "macro-F1",
        "surface_f1": "surface F1",
        "exact_match": "exact match",
        "relation_macro_f1": "relation macro-F1",
        "num_entities": "in the key",
    }.get(name, name.replace("_", " "))


def show_groups(console: Console, title: str, groups: dict[str, Any], names: Sequence[str]) -> None:
    """A row of scores for each source or domain, and their mean."""
    table = Table(title=title, title_justify="left")
    table.add_column("group")
    table.add_column("examples", justify="right")
    for name in names:
        table.add_column(score_name(name), justify="right")
    for group, scores in groups["scores"].items():
        cells = [f"{scores[name]:.4f}" for name in names]
        table.add_row(group, f"{scores['num_examples']:,}", *cells)
    cells = [f"{groups['mean'][name]:.4f}" for name in names]
    table.add_row("mean of groups", "", *cells, style="bold")
    console.print(table)


@contextmanager
def counting(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal inside the block, moved by calls with what is done and what there is."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def show_evaluation(console: Console, folder: Path, found: Evaluation) -> None:
    """Every score of an evaluation, what people look at first on top, and the files written."""
    console.print(
        f"{folder}: {found.state} state (round {found.round}) on {found.split}, "
        f"{found.num_examples:,} examples, float32",
        style="bold",
    )
    single = [name for name, value in found.scores.items() if isinstance(value, float)]
    for name in (*found.shown_scores, *(n for n in single if n not in found.shown_scores)):
        console.print(f"  {score_name(name):<24} {found.scores[name]:.4f}")
    if found.baseline is not None:
        line = f"  {found.baseline_name:<24} {found.baseline:.4f}  ({score_name(found.main_score)})"
        console.print(line, style="dim")
    if found.scores.get("per_type"):
        console.print(_types_table(found.scores["per_type"]))
    if "groups" in found.scores:
        show_groups(console, found.split, found.scores["groups"], found.shown_scores)
    for path in found.files:
        console.print(f"wrote {path}")


def _types_table(types: dict[str, dict[str, Any]]) -> Table:
    table = Table(title="entities", title_justify="left")
    names = list(next(iter(types.values())))
    table.add_column("type")
    for name in names:
        table.add_column(score_name(name), justify="right")
    for kind, scores in types.items():
        cells = [f"{v:.4f}" if isinstance(v, float) else f"{v:,}" for v in scores.values()]
        table.add_row(kind, *cells)
    return table


def _search_line(search: dict[str, Any]) -> str:
    """What the search cost beside the run: the short runs at the rates that were not chosen."""
    others = [entry for entry in search["tries"] if entry["learning_rate"] != search["chosen"]]
    sent = sum(
        entry["bytes"][way]["serialised_bytes"] for entry in others for way in ("down", "up")
    )
    seconds = sum(entry["measured_seconds"] for entry in others)
    return (
        f"learning rate {search['chosen']:g} chosen of {len(search['tries'])}; short runs at the "
        f"others took {human_bytes(sent)} and {human_seconds(seconds)} besides"
    )
