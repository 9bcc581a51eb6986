"""federa: federated, parameter-efficient fine-tuning of language models (FeDeRA)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from federa.version import __version__

if TYPE_CHECKING:
    from federa.config import RunConfig
    from federa.errors import FederaError
    from federa.experiment import RunResult, run
    from federa.export import export_run
    from federa.inference import Predictor, load

__all__ = [
    "FederaError",
    "Predictor",
    "RunConfig",
    "RunResult",
    "__version__",
    "export_run",
    "load",
    "run",
]

_HOMES = {
    "RunConfig": "federa.config",
    "FederaError": "federa.errors",
    "run": "federa.experiment",
    "RunResult": "federa.experiment",
    "export_run": "federa.export",
    "Predictor": "federa.inference",
    "load": "federa.inference",
}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that ``import federa`` is instant."""
    if name in _HOMES:
        import importlib

        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'federa' has no attribute {name!r}")
