"""Certificates that TLS libraries accept for these addresses alone, and keys that OpenSSH reads."""

from __future__ import annotations

import datetime
import ipaddress
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from federa.deploy import certificates
from federa.deploy.certificates import (
    KeyPair,
    expires,
    fingerprint,
    new_authority,
    new_server_certificate,
    new_site_key,
    renew_server_certificate,
    write_new,
)
from federa.deploy.records import Federation
from federa.errors import ConfigError, FederaError, RunError

x509 = pytest.importorskip("cryptography.x509")

from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.x509.verification import (  # noqa: E402
    PolicyBuilder,
    Store,
    VerificationError,
)

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
FEDERATION = Federation(
    addresses=["fl.example.org", "192.0.2.7", "2001:db8::1"], sites=["a"], name="clinics"
)
ADDRESSES = [*FEDERATION.addresses, "localhost", "127.0.0.1", "::1"]


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return new_authority("clinics")


@pytest.fixture(scope="module")
def server(authority: KeyPair) -> KeyPair:
    return new_server_certificate(authority, FEDERATION)


def subject(address: str) -> Any:
    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def verify(authority: bytes, server: bytes, address: str, time: datetime.datetime = NOW) -> None:
    store = Store([x509.load_pem_x509_certificate(authority)])
    verifier = PolicyBuilder().store(store).time(time).build_server_verifier(subject(address))
    verifier.verify(x509.load_pem_x509_certificate(server), [])


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_server_is_trusted_under_each_address(
    authority: KeyPair, server: KeyPair, address: str
) -> None:
    verify(authority.public, server.public, address)


@pytest.mark.parametrize("address", ["example.org", "x.fl.example.org", "192.0.2.8", "::2"])
def test_and_under_no_other(authority: KeyPair, server: KeyPair, address: str) -> None:
    with pytest.raises(VerificationError):
        verify(authority.public, server.public, address)


def test_another_authority_is_not_trusted(server: KeyPair) -> None:
    with pytest.raises(VerificationError):
        verify(new_authority("clinics").public, server.public, "localhost")


def test_the_authority_signs_only_servers(authority: KeyPair, server: KeyPair) -> None:
    below = new_server_certificate(KeyPair(authority.private, authority.public), FEDERATION)
    with pytest.raises(ConfigError, match=r"ca\.key: not the key of ca\.crt"):
        new_server_certificate(KeyPair(below.private, authority.public), FEDERATION)
    own = x509.load_pem_x509_certificate(authority.public).extensions
    basic = own.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert (basic.value.ca, basic.value.path_length) == (True, 0)
    usage = own.get_extension_for_class(x509.KeyUsage).value
    assert (usage.key_cert_sign, usage.digital_signature) == (True, False)


def test_lifetimes(authority: KeyPair, server: KeyPair) -> None:
    verify(authority.public, server.public, "localhost", NOW - DAY / 2)  # a clock that is behind
    verify(authority.public, server.public, "localhost", NOW + 824 * DAY)
    with pytest.raises(VerificationError):
        verify(authority.public, server.public, "localhost", NOW + 826 * DAY)
    ends = x509.load_pem_x509_certificate(authority.public).not_valid_after_utc
    assert ends - NOW > 3640 * DAY


def test_serials_are_random(authority: KeyPair) -> None:
    made = [new_server_certificate(authority, FEDERATION).public for _ in range(2)]
    serials = [x509.load_pem_x509_certificate(content).serial_number for content in made]
    assert len(set(serials)) == 2
    assert min(serials).bit_length() > 64


def test_keys_are_p384(authority: KeyPair, server: KeyPair) -> None:
    for pair in (authority, server):
        key = serialization.load_pem_private_key(pair.private, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert isinstance(key.curve, ec.SECP384R1)
        assert key.public_key() == x509.load_pem_x509_certificate(pair.public).public_key()


def test_python_and_openssl_take_the_chain(
    tmp_path: Path, authority: KeyPair, server: KeyPair
) -> None:
    import ssl

    (tmp_path / "ca.crt").write_bytes(authority.public)
    (tmp_path / "server.crt").write_bytes(server.public)
    (tmp_path / "server.key").write_bytes(server.private)
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    host = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    host.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    one, other = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(one, other, server_hostname="fl.example.org")
    far = host.wrap_bio(other, one, server_side=True)
    done: set[Any] = set()
    for _ in range(10):
        for end in {near, far} - done:
            try:
                end.do_handshake()
                done.add(end)
            except ssl.SSLWantReadError:
                pass
    assert done == {near, far}
    assert near.version() == "TLSv1.3"


def test_a_site_key_is_as_ssh_keygen_writes_it(tmp_path: Path) -> None:
    made = new_site_key("hospital-a")
    assert made.private.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----\n")
    key = serialization.load_ssh_private_key(made.private, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert isinstance(key.curve, ec.SECP384R1)
    assert serialization.load_ssh_public_key(made.public) == key.public_key()
    assert made.public.startswith(b"ecdsa-sha2-nistp384 ")
    assert made.public.endswith(b" hospital-a\n")
    if shutil.which("ssh-keygen"):
        write_new(tmp_path / "key", made.private, 0o600)
        command = ["ssh-keygen", "-y", "-f", str(tmp_path / "key")]
        derived = subprocess.run(command, capture_output=True, check=True).stdout
        assert derived.split()[:2] == made.public.split()[:2]


def server_folder(folder: Path, authority: KeyPair, server: KeyPair) -> Path:
    (folder / "federation.yaml").write_text(FEDERATION.to_yaml())
    for name, content in (("ca.key", authority.private), ("ca.crt", authority.public)):
        (folder / name).write_bytes(content)
    for name, content in (("server.key", server.private), ("server.crt", server.public)):
        (folder / name).write_bytes(content)
    return folder


def test_renewing_covers_a_new_address_and_keeps_the_key(
    tmp_path: Path, authority: KeyPair, server: KeyPair
) -> None:
    folder = server_folder(tmp_path, authority, server)
    moved = FEDERATION.model_copy(update={"addresses": ["new.example.org"]})
    (folder / "federation.yaml").write_text(moved.to_yaml())
    ends = renew_server_certificate(folder)
    assert ends == expires(folder / "server.crt")
    assert abs(ends - NOW - 825 * DAY) < DAY
    content = (folder / "server.crt").read_bytes()
    verify(authority.public, content, "new.example.org")
    with pytest.raises(VerificationError):
        verify(authority.public, content, "fl.example.org")
    assert (folder / "server.key").read_bytes() == server.private
    key = serialization.load_pem_private_key(server.private, None)
    assert x509.load_pem_x509_certificate(content).public_key() == key.public_key()


def test_renewing_makes_a_lost_server_key_anew(
    tmp_path: Path, authority: KeyPair, server: KeyPair
) -> None:
    folder = server_folder(tmp_path, authority, server)
    (folder / "server.key").unlink()
    renew_server_certificate(folder)
    assert stat.S_IMODE((folder / "server.key").stat().st_mode) == 0o600
    key = serialization.load_pem_private_key((folder / "server.key").read_bytes(), None)
    made = x509.load_pem_x509_certificate((folder / "server.crt").read_bytes())
    assert made.public_key() == key.public_key()


def test_a_server_certificate_never_outlives_its_authority(
    authority: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = NOW + 3600 * DAY
    monkeypatch.setattr(certificates, "_now", lambda: late)
    made = new_server_certificate(authority, FEDERATION)
    ends = x509.load_pem_x509_certificate(authority.public).not_valid_after_utc
    assert x509.load_pem_x509_certificate(made.public).not_valid_after_utc == ends


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("ca.key", None, r"ca\.key: not there; copy it back"),
        ("ca.crt", None, "cannot read"),
        ("ca.key", b"nothing", r"ca\.key: not a private key in PEM"),
        ("ca.crt", b"nothing", r"ca\.crt: not a certificate in PEM"),
        ("server.key", b"nothing", r"server\.key: not a private key in PEM"),
    ],
)
def test_renewing_says_what_is_missing_or_damaged(
    tmp_path: Path,
    authority: KeyPair,
    server: KeyPair,
    name: str,
    content: bytes | None,
    match: str,
) -> None:
    folder = server_folder(tmp_path, authority, server)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises((ConfigError, RunError), match=match) as caught:
        renew_server_certificate(folder)
    assert str(folder) in str(caught.value)
    assert (folder / "server.crt").read_bytes() == server.public


def test_expiry_of_what_is_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "x.crt").write_text("nothing")
    with pytest.raises(ConfigError, match=r"x\.crt: not a certificate"):
        expires(tmp_path / "x.crt")
    with pytest.raises(RunError, match=r"y\.crt: cannot read"):
        expires(tmp_path / "y.crt")


def test_the_fingerprint_is_openssls(tmp_path: Path, authority: KeyPair) -> None:
    shown = fingerprint(authority.public)
    assert len(shown) == 32 * 3 - 1
    if shutil.which("openssl"):
        (tmp_path / "ca.crt").write_bytes(authority.public)
        command = ["openssl", "x509", "-in", "ca.crt", "-noout", "-fingerprint", "-sha256"]
        found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        assert found.stdout.strip().endswith("=" + shown)


def test_a_new_file_never_replaces_one(tmp_path: Path) -> None:
    write_new(tmp_path / "key", b"one", 0o600)
    with pytest.raises(RunError, match="key: cannot write"):
        write_new(tmp_path / "key", b"two", 0o600)
    assert (tmp_path / "key").read_bytes() == b"one"


def test_without_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for make in (new_authority, new_site_key):
        with pytest.raises(FederaError, match=r"pip install 'federa\[flower\]'"):
            make("a")
