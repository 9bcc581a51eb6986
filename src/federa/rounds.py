"""One federated round, readable top to bottom, and the loop over rounds."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from federa.admission import admit, well_formed
from federa.checkpoint import BEST, LATEST, RunFolder
from federa.config import RunConfig
from federa.diagnostics import Diagnosis
from federa.errors import ClientError
from federa.local import num_steps
from federa.measure import (
    PeakMemory,
    RoundRecord,
    averaging_error,
    averaging_norms,
    best_round,
    validation_score,
)
from federa.modelled import Fleet
from federa.progress import Progress
from federa.seeding import numpy_generator
from federa.types import ClientFailure, ClientSize, Download, ServerState, Upload

if TYPE_CHECKING:
    from federa.engines import Session
    from federa.local import RunSetup
    from federa.rules import AggregationRule
    from federa.train_config import TrainConfig


@dataclass(frozen=True)
class Watch:
    """What is looked into in a round beside what it needs: diagnostics, and a modelled fleet, whose
    clients may drop out or be too late."""

    diagnosis: Diagnosis | None = None
    fleet: Fleet | None = None

    def drop_outs(self, round: int, cohort: Sequence[int]) -> dict[int, ClientFailure]:
        """The clients of ``round`` (from 1) that will return nothing."""
        fleet, reason = self.fleet, "dropped out (profile.dropout)"
        if fleet is None:
            return {}
        gone = [client for client in cohort if fleet.drops_out(round, client)]
        return {client: ClientFailure(client, reason) for client in gone}

    def in_time(self, record: RoundRecord, uploads: list[Upload]) -> list[Upload]:
        """The uploads that would come before the deadline; the others become failures."""
        if self.fleet is None:
            return uploads
        late = self.fleet.late(record)
        record.failures += late
        return [u for u in uploads if u.client not in {failure.client for failure in late}]

    def look(
        self,
        record: RoundRecord,
        before: ServerState,
        after: ServerState,
        uploads: Sequence[Upload],
    ) -> None:
        """Enter the averaging error, the diagnostics and the modelled cost of a round."""
        norms = averaging_norms(before, uploads)
        record.averaging_error = averaging_error(norms)
        if self.diagnosis is not None:
            errors = [averaging_error([norm]) for norm in norms]
            record.diagnostics = self.diagnosis.of_round(before, after, uploads, errors)
        cost = self.fleet.round(record) if self.fleet is not None else None
        if cost is not None:
            record.modelled_seconds = asdict(cost.seconds)
            record.modelled_joules = cost.joules


def run_rounds(
    config: RunConfig,
    setup: RunSetup,
    session: Session,
    home: RunFolder,
    state: ServerState,
    records: list[RoundRecord],
    progress: Progress,
    until: int,
) -> ServerState:
    """Rounds from ``state`` until ``until`` are finished, each saved in ``home``.

    ``records`` are those of the finished rounds, and grow.
    Raises: ClientError; RunError.
    """
    wanted = config.evaluation.diagnostics and state.round < until
    diagnosis = Diagnosis.of(setup) if wanted else None
    cost = home.facts().cost
    fleet = Fleet(config.profile, cost, config.seed) if config.profile and cost else None
    watch = Watch(diagnosis, fleet)
    while state.round < until:
        state, record = _tried_again(config, setup, session, state, progress, watch)
        home.append(record)
        records.append(record)
        if state.round == best_round(records, config.task.main_score):
            home.save_state(replace(state, memory={}), BEST)  # no round starts from it
        home.save_state(state, LATEST)
        progress.finished_round(record, validation_score(record, config.task.main_score))
    return state


def _tried_again(
    config: RunConfig,
    setup: RunSetup,
    session: Session,
    state: ServerState,
    progress: Progress,
    watch: Watch,
) -> tuple[ServerState, RoundRecord]:
    """One round, tried again up to ``federation.retries`` times where too few clients answer.

    Raises: ClientError of the last try.
    """
    for left in reversed(range(config.federation.retries + 1)):
        try:
            return run_round(config, setup, session, state, progress, watch)
        except ClientError as error:
            if not left:
                raise
            progress.note(f"{error}; tried again, up to {left} times more")
    raise AssertionError("the last try returns or raises")


def run_round(
    config: RunConfig,
    setup: RunSetup,
    session: Session,
    state: ServerState,
    progress: Progress,
    watch: Watch | None = None,
) -> tuple[ServerState, RoundRecord]:
    """One round: pick, send, train, admit, merge, score. ``state`` is left as it was.

    Raises: ClientError if fewer than ``min_uploads`` clients returned a usable update, or if the
    merged state is not finite.
    """
    began, memory = time.perf_counter(), PeakMemory(setup.plan.device)
    rule, plan, number = config.rule, config.federation, state.round + 1
    rate = config.train.rate(state.round, plan.num_rounds)
    record = RoundRecord(number, learning_rate=rate)
    # 1. pick the cohort: a function of (seed, round) and of who is there
    present = session.present(plan.min_uploads)
    cohort = pick_cohort(present, plan.clients_per_round, config.seed, state.round)
    # 2. what each client is sent
    needed = first_contact_names(state, config.needs_whole_start)
    work = {client: greet(rule.download(state, client), state, client, needed) for client in cohort}
    record.sent(work, state, config.codecs[0])
    # 3. train; unsound answers are set aside as failures
    sizes = {client: session.size(client) for client in cohort}
    watch = watch or Watch()
    gone = watch.drop_outs(number, cohort)
    there = {client: download for client, download in work.items() if client not in gone}
    answers = progress.clients(session.train(state.round, there), number, len(there))
    known = well_formed(chain(answers, gone.values()))
    received = record.received(known, state.layout, config.codecs[1])
    fault = partial(extra_fault, rule, config.train, sizes, rate)
    uploads = watch.in_time(record, record.usable(admit(received, state.params, sizes, fault)))
    require(uploads, record, plan.min_uploads)
    # 4. merge
    before, contacted = state, state.contacted | {upload.client for upload in uploads}
    state = replace(rule.merge(state, uploads), contacted=contacted)
    require_finite(state)
    watch.look(record, before, state, uploads)
    # 5. score
    if number % config.evaluation.every == 0 or number == plan.num_rounds:
        scored = time.perf_counter()
        record.scores = session.evaluate(
            state, config.evaluation.splits, whole=False, per_client=config.evaluation.per_client
        )
        record.measured_seconds["evaluate"] = time.perf_counter() - scored
        record.evaluation_bytes = session.evaluation_bytes()
    record.measured_seconds["total"] = time.perf_counter() - began
    peak = memory.read()
    record.peak_memory_bytes = None if peak is None else peak + session.other_peak_bytes()
    return state, record


def pick_cohort(present: Sequence[int], per_round: int | None, seed: int, round: int) -> list[int]:
    """Sorted client ids of ``round`` (from 0), drawn without replacement from ``present``."""
    if per_round is None or per_round >= len(present):
        return list(present)
    generator = numpy_generator(seed, "cohort", round)
    chosen = generator.choice(len(present), per_round, replace=False).tolist()
    return sorted(present[place] for place in chosen)


def first_contact_names(state: ServerState, whole: bool) -> list[str]:
    """Names whose start a client must hold: the residual's factors, and with ``whole`` all others.

    What the base model itself gives (the encoder under full fine-tuning) is not among them.
    """
    layout = state.layout
    others = (*layout.fresh, *layout.head) if whole else ()
    return list(dict.fromkeys((*layout.starts, *others)))


def greet(download: Download, state: ServerState, client: int, needed: Sequence[str]) -> Download:
    """Add the start to a client's first download; what ``params`` already says is not repeated."""
    import torch

    if client in state.contacted:
        return download
    start = {
        name: state.start[name]
        for name in needed
        if not torch.equal(state.start[name], state.params[name])
    }
    return replace(download, start=start)


def extra_fault(
    rule: AggregationRule,
    train: TrainConfig,
    sizes: Mapping[int, ClientSize],
    rate: float,
    upload: Upload,
) -> str | None:
    """What ``rule`` finds wrong with an upload's extras, given what its client could do."""
    most_steps = num_steps(train, sizes[upload.client].num_windows)
    return rule.fault(upload.extra, most_steps, rate)


def require_finite(state: ServerState) -> None:
    """Refuse a merged state that holds NaN or infinity, before it is scored or saved.

    Raises: ClientError.
    """
    for part in (state.params, state.memory):
        for name, value in part.items():
            if not bool(value.isfinite().all()):
                raise ClientError(
                    f"round {state.round}: {name} is not finite after the merge; a smaller "
                    "learning rate, of the clients or of the rule, may help"
                )


def require(uploads: Sequence[Upload], record: RoundRecord, min_uploads: int) -> None:
    """Refuse to merge below the quorum.

    Raises: ClientError.
    """
    if len(uploads) < min_uploads:
        reasons = [f"client {failure.client}: {failure.reason}" for failure in record.failures]
        raise ClientError(
            f"round {record.round}: {len(uploads)} of {len(record.clients)} clients returned a "
            f"usable update, federation.min_uploads is {min_uploads}"
            + (f"; {reasons[0]}" if reasons else "")
        )
