"""The certificate for the connection from Terraform, which insists on TLS even on a Unix socket.

Making one costs a tenth of a second, so it is kept in the environment's folder for a month,
readable by its owner only. It protects nothing beyond the socket's folder, which has mode 700.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
import time
from pathlib import Path

_VALID_DAYS = 60
_KEPT_SECONDS = 30 * 24 * 3600.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate and its private key, each in PEM."""

    key: bytes
    pem: bytes

    @property
    def der(self) -> bytes:
        """The certificate as the handshake hands it over."""
        import ssl

        return ssl.PEM_cert_to_DER_cert(self.pem.decode())


def own_certificate(folder: Path = Path(sys.prefix)) -> Certificate:
    """The kept certificate, or a new one; an unwritable `folder` only makes the start slower."""
    file = folder / "plugin-certificate.pem"
    try:
        status = file.stat()
        is_fresh = status.st_mode & 0o077 == 0 and time.time() - status.st_mtime < _KEPT_SECONDS
        if is_fresh:
            return _split(file.read_bytes())
    except (OSError, ValueError):
        pass  # none yet, or not readable, or cut short: make another
    certificate = _new()
    _keep(file, certificate)
    return certificate


_MARK = b"-----BEGIN CERTIFICATE-----"


def _split(content: bytes) -> Certificate:
    key, mark, rest = content.partition(_MARK)
    if not key or not mark or not rest.rstrip().endswith(b"-----END CERTIFICATE-----"):
        raise ValueError("not a key and a certificate")
    return Certificate(key=key, pem=mark + rest)


def _keep(file: Path, certificate: Certificate) -> None:
    try:
        descriptor, name = tempfile.mkstemp(dir=file.parent)  # mode 600
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(certificate.key + certificate.pem)
        Path(name).replace(file)
    except OSError:
        return


def _new() -> Certificate:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Certificate(
        key=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
        pem=certificate.public_bytes(serialization.Encoding.PEM),
    )
