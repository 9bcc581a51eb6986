"""The federation's own certificate authority, the server's certificate and the sites' keys."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from federa.deploy.records import Federation
from federa.errors import ConfigError, FederaError, RunError
from federa.files import explained, explained_reading, sync_folder, write_atomically

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

AUTHORITY_KEY, AUTHORITY = "ca.key", "ca.crt"
SERVER_KEY, SERVER_CERTIFICATE = "server.key", "server.crt"
AUTHORITY_DAYS, SERVER_DAYS = 3653, 825
"""Ten years; and the longest that widespread TLS clients accept."""
SLOW_CLOCKS = timedelta(days=1)
"""How long before its making a certificate is valid, for machines whose clocks are behind."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class KeyPair(NamedTuple):
    """A private key and what belongs to it: a certificate, or a public key."""

    private: bytes
    public: bytes


def require_cryptography() -> None:
    """Refuse to go on without the library that makes keys.

    Raises: FederaError.
    """
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise FederaError(
            "cryptography is not installed; deployments need pip install 'federa[flower]'"
        ) from error


def new_authority(federation: str) -> KeyPair:
    """The key and certificate (PEM) of an authority that signs for one federation."""
    require_cryptography()
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP384R1())
    name = _name(federation, "federa authority")
    builder = (
        _builder(name, name, key.public_key(), _now() + timedelta(days=AUTHORITY_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
    )
    return KeyPair(_pem_key(key), _signed(builder, key))


def new_server_certificate(
    authority: KeyPair, federation: Federation, key: bytes | None = None
) -> KeyPair:
    """The key and certificate (PEM) of the server, for every address and the loopback interface.

    key: of the server so far, PEM; None makes a new one. Raises: ConfigError if it is damaged.
    """
    require_cryptography()
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

    signer = _read_key(authority.private, AUTHORITY_KEY)
    issuer = _read_certificate(authority.public, AUTHORITY)
    if signer.public_key() != issuer.public_key():
        raise ConfigError(f"{AUTHORITY_KEY}: not the key of {AUTHORITY}")
    own = ec.generate_private_key(ec.SECP384R1()) if key is None else _read_key(key, SERVER_KEY)
    ends = min(_now() + timedelta(days=SERVER_DAYS), issuer.not_valid_after_utc)
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder(_name(federation.name, "federa server"), issuer.subject, own.public_key(), ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .add_extension(_alternative_names(federation.addresses), critical=False)
    )
    return KeyPair(_pem_key(own), _signed(builder, signer))


def new_site_key(site: str) -> KeyPair:
    """An ECDSA P-384 key in OpenSSH's formats, as ``ssh-keygen -t ecdsa -b 384 -N ""`` writes."""
    require_cryptography()
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP384R1())
    private: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    public: bytes = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return KeyPair(private, public + f" {site}\n".encode())


def renew_server_certificate(folder: Path) -> datetime:
    """Replace the certificate in a server folder, for the addresses now in its federation.yaml.

    The server's key is kept, so that key and certificate fit at every moment. Returns when the new
    certificate ends. Raises: ConfigError; RunError if a file is missing or cannot be written.
    """
    federation = Federation.load(folder)
    if not (folder / AUTHORITY_KEY).is_file():
        raise RunError(
            f"{folder / AUTHORITY_KEY}: not there; copy it back from where you keep it, renew, and "
            "take it away again"
        )
    known = (folder / SERVER_KEY).is_file()
    with explained_reading(folder):
        private = (folder / AUTHORITY_KEY).read_bytes()
        authority = KeyPair(private, (folder / AUTHORITY).read_bytes())
        key = (folder / SERVER_KEY).read_bytes() if known else None
    try:
        made = new_server_certificate(authority, federation, key)
    except ConfigError as error:
        raise ConfigError(f"{folder}: {error}") from None
    if not known:
        write_new(folder / SERVER_KEY, made.private, 0o600)
    write_atomically(folder / SERVER_CERTIFICATE, made.public)
    return expires(folder / SERVER_CERTIFICATE)


def expires(path: Path) -> datetime:
    """When the certificate (PEM) in a file ends, in UTC.

    Raises: ConfigError if it is no certificate; RunError if it cannot be read.
    """
    with explained_reading(path):
        content = path.read_bytes()
    return end_of(content, str(path))


def end_of(certificate: bytes, place: str) -> datetime:
    """When a certificate (PEM) ends, in UTC; ``place`` names it in the error.

    Raises: ConfigError if it is no certificate.
    """
    require_cryptography()
    ends: datetime = _read_certificate(certificate, place).not_valid_after_utc
    return ends


def fingerprint(certificate: bytes) -> str:
    """The SHA-256 of a certificate (PEM), as ``openssl x509 -fingerprint -sha256`` prints it.

    Raises: ConfigError if it is no certificate.
    """
    require_cryptography()
    from cryptography.hazmat.primitives import hashes

    digest: bytes = _read_certificate(certificate, AUTHORITY).fingerprint(hashes.SHA256())
    return digest.hex(":").upper()


def write_new(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is not there yet, never readable for more than ``mode`` says.

    Raises: RunError.
    """
    with explained(path):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), mode)  # whatever the umask is
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def _now() -> datetime:
    return datetime.now(UTC)


def _read_key(content: bytes, place: str) -> ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{place}: not a private key in PEM without a password") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{place}: not an elliptic-curve key")
    return key


def _read_certificate(content: bytes, place: str) -> x509.Certificate:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(content)
    except ValueError as error:
        raise ConfigError(f"{place}: not a certificate in PEM") from error


def _name(federation: str, what: str) -> x509.Name:
    from cryptography import x509

    return x509.Name(
        [
            x509.NameAttribute(x509.oid.NameOID.ORGANIZATION_NAME, federation),
            x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, what),
        ]
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: Any, ends: datetime) -> Any:
    """A certificate to be, with what every one has."""
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - SLOW_CLOCKS)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*allowed: str) -> x509.KeyUsage:
    from cryptography import x509

    every = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{usage: usage in allowed for usage in every})


def _alternative_names(addresses: Sequence[str]) -> x509.SubjectAlternativeName:
    from cryptography import x509

    entries: list[x509.GeneralName] = []
    for address in dict.fromkeys((*addresses, *LOOPBACK)):
        try:
            entries.append(x509.IPAddress(ipaddress.ip_address(address)))
        except ValueError:
            entries.append(x509.DNSName(address))
    return x509.SubjectAlternativeName(entries)


def _signed(builder: Any, signer: ec.EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import hashes, serialization

    certificate = builder.sign(signer, hashes.SHA384())
    content: bytes = certificate.public_bytes(serialization.Encoding.PEM)
    return content


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    content: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return content
