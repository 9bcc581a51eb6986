"""Which keys are registered, and when."""

import json
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="needs the flower extra")

from federa.deploy.certificates import new_site_key
from federa.deploy.control import Node, public_key_pem
from federa.deploy.records import Federation
from federa.deploy.roster import Roster
from federa.errors import ConfigError

pytestmark = pytest.mark.flower


class FakeControl:
    """In place of a SuperLink."""

    def __init__(self) -> None:
        self.known: dict[int, Node] = {}

    def nodes(self) -> list[Node]:
        return list(self.known.values())

    def register(self, key: bytes, name: str) -> int:
        number = 2**63 + len(self.known)
        assert all(node.key != key for node in self.known.values())
        self.known[number] = Node(number, name, key, online=False, gone=False)
        return number

    def set(self, name: str, **changes: bool) -> None:
        for number, node in self.known.items():
            if node.name == name:
                self.known[number] = node._replace(**changes)


class Place:
    """A server's folder with sites a, b and c, of which two have keys."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lines = folder, []
        self.control = FakeControl()
        self.write_federation("a", "b", "c")
        (folder / "keys").mkdir()
        for name in ("a", "b"):
            self.write_key(name)
        self.roster = Roster(folder, self.control, self.lines.append)

    def write_federation(self, *sites: str) -> None:
        federation = Federation.parse({"addresses": ["fl.example.org"], "sites": list(sites)})
        (self.folder / "federation.yaml").write_text(federation.to_yaml())

    def write_key(self, name: str, content: bytes | None = None) -> None:
        path = self.folder / "keys" / f"{name}.pub"
        path.write_bytes(new_site_key(name).public if content is None else content)

    def read(self) -> list[str]:
        return list(json.loads((self.folder / "roster.json").read_text()).values())

    def look(self) -> list[str]:
        """The lines of one more look."""
        self.lines.clear()
        self.roster.look()
        self.roster.watch()
        return list(self.lines)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_new_keys_are_registered_once(place: Place) -> None:
    no_key = f"site c: no key yet ({place.folder / 'keys' / 'c.pub'})"
    assert place.look() == [no_key, "site a: registered", "site b: registered"]
    assert place.read() == ["a", "b"]
    assert place.look() == []
    place.write_key("c")
    assert place.look() == ["site c: registered"]
    assert place.read() == ["a", "b", "c"]
    place.write_federation("a", "b", "c", "d")
    place.write_key("d")
    assert place.look() == ["site d: registered"]


def test_after_a_restart_nobody_is_registered_again(place: Place) -> None:
    place.look()
    before = (place.folder / "roster.json").read_text()
    again = Roster(place.folder, place.control, place.lines.append)
    (place.folder / "roster.json").unlink()
    again.look()
    assert (place.folder / "roster.json").read_text() == before
    assert len(place.control.known) == 2


def test_who_comes_and_goes(place: Place) -> None:
    place.look()
    place.control.set("a", online=True)
    assert place.look() == ["site a: connected"]
    assert place.look() == []
    place.control.set("a", online=False)
    place.control.set("b", online=True)
    assert place.look() == ["site b: connected", "site a: gone"]


def test_keys_that_cannot_be_used(place: Place) -> None:
    place.write_key("c", (place.folder / "keys" / "a.pub").read_bytes())
    assert place.look()[-1] == "site c: has the same key as a; left out"
    place.write_key("c", b"ssh-rsa AAAA")
    line = place.look()[0]
    assert line.endswith("c.pub: not a public key as ssh-keygen writes it")
    assert place.read() == ["a", "b"]
    place.control.set("b", gone=True)
    place.write_key("c")
    assert place.look() == [
        "site b: its key was unregistered from Flower; it needs a new one",
        "site c: registered",
    ]
    assert place.read() == ["a", "c"]


def test_a_key_of_nobody_is_not_registered(place: Place) -> None:
    place.write_key("stranger")
    place.look()
    assert "stranger" not in {node.name for node in place.control.nodes()}


def test_the_key_as_flower_stores_it(place: Place, tmp_path: Path) -> None:
    pem = public_key_pem(place.folder / "keys" / "a.pub")
    assert pem.startswith(b"-----BEGIN PUBLIC KEY-----\n")
    with pytest.raises(ConfigError, match="nowhere: cannot read"):
        public_key_pem(tmp_path / "nowhere")
