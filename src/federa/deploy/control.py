"""What the server asks of Flower's SuperLink, over the loopback interface.

This is Flower's own control client, called in this process, since its commands print neither a
node's name nor its key, and take seconds to start.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from federa.deploy.flower import require_flower, settings
from federa.errors import ConfigError, RunError


class Node(NamedTuple):
    """A site as Flower knows it; key: public, PEM; gone: unregistered, which is for ever."""

    id: int
    name: str
    key: bytes
    online: bool
    gone: bool


class FlowerRun(NamedTuple):
    """How far Flower is with a run; outcome: completed, failed or stopped once it is over."""

    over: bool
    outcome: str
    details: str


class Control:
    """A connection to the SuperLink at ``127.0.0.1:port``.

    certificate: of the authority that signed the SuperLink's. Every call raises RunError if there
    is no answer, or a refusal.
    """

    def __init__(self, port: int, certificate: Path) -> None:
        """Raises: ConfigError without Flower or with a certificate that is none; RunError."""
        require_flower()
        os.environ |= {k: v for k, v in settings(Path()).items() if k.lower() == "no_proxy"}
        from flwr.supercore.control import ControlHttpClient
        from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor

        self.address = f"127.0.0.1:{port}"
        try:
            self._client: Any = ControlHttpClient.from_server_address(
                self.address,
                False,
                certificate.read_bytes(),
                [RuntimeVersionHttpInterceptor(component_name="flwr CLI")],
            )
        except OSError as error:  # that of ssl too
            raise ConfigError(f"{certificate}: cannot be used ({error.strerror})") from error

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def nodes(self) -> list[Node]:
        """Every site that was ever registered."""
        from flwr.proto.control_pb2 import ListNodesRequest

        found = self._call("ListNodes", ListNodesRequest())
        return [
            Node(
                node.node_id,
                node.name,
                node.public_key,
                node.status == "online",
                node.status == "unregistered",
            )
            for node in found.nodes_info
        ]

    def register(self, key: bytes, name: str) -> int:
        """Let a site in; its node."""
        from flwr.proto.control_pb2 import RegisterNodeRequest

        node: int = self._call(
            "RegisterNode", RegisterNodeRequest(public_key=key, name=name)
        ).node_id
        return node

    def run(self, number: str) -> FlowerRun:
        """How far a run is."""
        from flwr.proto.control_pb2 import ListRunsRequest

        found = self._call("ListRuns", ListRunsRequest(run_id=int(number)))
        status = found.run_dict[int(number)].status
        return FlowerRun(status.status == "finished", status.sub_status, status.details)

    def stop_run(self, number: str) -> None:
        """Stop a run; one that is over is left as it is."""
        from flwr.proto.control_pb2 import StopRunRequest

        if not self.run(number).over:
            self._call("StopRun", StopRunRequest(run_id=int(number)))

    def _call(self, method: str, request: object) -> Any:
        import httpx
        from flwr.supercore.error import FlowerError

        try:
            return getattr(self._client, method)(request)
        except httpx.HTTPStatusError as error:
            told = FlowerError.from_json(error.response.text)
            reason = told.message if told else f"status {error.response.status_code}"
            raise RunError(f"Flower: {reason}") from None
        except httpx.HTTPError as error:
            raise RunError(
                f"the server does not answer at {self.address}; start it with: federa deploy server"
            ) from error


def public_key_pem(path: Path) -> bytes:
    """A site's public key, in OpenSSH's format on disk, as Flower stores it.

    Raises: ConfigError if it is none.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_ssh_public_key(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot read ({error.strerror})") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path}: not a public key as ssh-keygen writes it") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ConfigError(f"{path}: not an elliptic-curve key (ssh-keygen -t ecdsa -b 384)")
    pem: bytes = key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem
