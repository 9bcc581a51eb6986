"""MLflow: a database in the run folder, or a tracking server."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, Field

from federa.registry import RECORD
from federa.tracking.interface import Sink, TrackedRun, recall, remember, require_packages

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run
    from mlflow.tracking import MlflowClient

FOLDER, ROUND = "mlflow", "round/number"
MOST_METRICS, MOST_PARAMETERS = 1000, 100
"""What MLflow takes in one request."""
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    # its own would hold a run up for many minutes where a server is away
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
}
"""MLflow's own switches, for those that are not set outside."""


class MLflow(BaseModel):
    """An MLflow run for each run.

    uri: a tracking server or database, as MLflow writes it (http://host:5000, sqlite:///all.db);
    null keeps a database in the run's folder ``mlflow``; experiment: null takes the name of the
    configuration.
    """

    model_config = RECORD
    aliases: ClassVar[tuple[str, ...]] = ()
    summary: ClassVar[str] = "MLflow: a database in the run folder, or a tracking server"

    name: Literal["mlflow"] = "mlflow"
    uri: str | None = Field(None, min_length=1)
    experiment: str | None = Field(None, min_length=1)

    def require(self) -> None:
        """Look for MLflow, and for what its databases need.

        Raises: ConfigError.
        """
        database = self.uri is None or self.uri.startswith("sqlite")
        others = ("sqlalchemy", "alembic") if database else ()
        require_packages(self.name, "mlflow", *others)

    def open(self, run: TrackedRun) -> Sink:
        """Begin a run at the server or in the database, or go on with it."""
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)  # read when mlflow is imported
        return _MLflowSink(self, run)


class _MLflowSink:
    """The client of one MLflow run. What is there is asked of MLflow itself."""

    def __init__(self, tracker: MLflow, run: TrackedRun) -> None:
        from mlflow.tracking import MlflowClient

        self._name, self._folder = tracker.name, run.folder
        uri, self._artifacts = tracker.uri, None
        if uri is None:
            place = (run.folder / FOLDER).resolve()
            place.mkdir(exist_ok=True)
            uri, self._artifacts = f"sqlite:///{place / 'mlflow.db'}", (place / "files").as_uri()
        self._client: MlflowClient = MlflowClient(uri)
        known = recall(run.folder, tracker.name)
        found = self._find(known["run_id"]) if known.get("uri", "") == tracker.uri else None
        if found is None:
            found = self._begin(tracker.experiment or run.group, run)
            remember(
                run.folder, tracker.name, uri=tracker.uri, run_id=found.info.run_id, finished=0
            )
        self._id = found.info.run_id
        self.last_round = int(found.data.metrics.get(ROUND, 0))
        self._over = False

    def _find(self, run_id: str) -> Run | None:
        """The MLflow run of an earlier process, going on, or None if it was deleted."""
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        if found.info.lifecycle_stage == "deleted":  # which MLflow keeps, and lets nobody change
            return None
        self._client.update_run(run_id, status="RUNNING")
        return found

    def _begin(self, experiment: str, run: TrackedRun) -> Run:
        from mlflow.entities import Param

        begun = self._client.create_run(self._experiment_id(experiment), run_name=run.folder.name)
        parameters = [Param(name, str(value)) for name, value in run.parameters.items()]
        for first in range(0, len(parameters), MOST_PARAMETERS):
            chunk = parameters[first : first + MOST_PARAMETERS]
            self._client.log_batch(begun.info.run_id, params=chunk)
        return begun

    def _experiment_id(self, name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name, self._artifacts))
            except MlflowException:  # a run beside this one was quicker
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def round(self, number: int, values: Mapping[str, float]) -> None:
        """Log the values, and last of all that the round is complete."""
        self._log(number, {**values, ROUND: number})

    def finish(self, number: int, values: Mapping[str, float]) -> None:
        """Log the final values, once for each number of rounds, and end the MLflow run."""
        if recall(self._folder, self._name).get("finished") != number:
            self._log(number, values)
            remember(self._folder, self._name, finished=number)
        self._client.set_terminated(self._id, "FINISHED")
        self._over = True

    def _log(self, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics: list[Metric] = [Metric(name, value, now, step) for name, value in values.items()]
        for first in range(0, len(metrics), MOST_METRICS):
            self._client.log_batch(self._id, metrics=metrics[first : first + MOST_METRICS])

    def close(self) -> None:
        """Mark a run that did not reach its end as failed; it may be resumed."""
        if not self._over:
            self._client.set_terminated(self._id, "FAILED")
