"""Where a run is shown besides its own folder: one file a tracker. A new one is a file, an entry
here, its test."""

from federa.tracking.interface import Sink, TrackedRun, Tracker
from federa.tracking.mlflow import MLflow
from federa.tracking.tensorboard import TensorBoard
from federa.tracking.wandb import WeightsAndBiases

TRACKERS = (TensorBoard, MLflow, WeightsAndBiases)

__all__ = [
    "TRACKERS",
    "MLflow",
    "Sink",
    "TensorBoard",
    "TrackedRun",
    "Tracker",
    "WeightsAndBiases",
]
