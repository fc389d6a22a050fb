"""Certificates, good and bad, and a service that shows one of them.

Everything is made when it is needed, in the process of the test.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import ssl
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_DAY = dt.timedelta(days=1)
_HERE = (
    x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    x509.DNSName("localhost"),
)


class Authority:
    """Issues certificates, and writes them to *folder*."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        own = self._signed(self._key, _HERE, issuer="authority", authority=True)
        self.path = folder / "authority.pem"
        self.path.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def certificate(self, kind: str) -> Path:
        """Write a certificate, and its key: right, wrong-name, expired, self-signed."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.DNSName("other.example")] if kind == "wrong-name" else _HERE
        own = kind == "self-signed"
        made = self._signed(
            key,
            names,
            issuer=kind if own else "authority",
            signer=key if own else self._key,
            days=-1 if kind == "expired" else 1,
            subject=kind,
        )
        path = self._folder / f"{kind}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
        return path

    def _signed(
        self,
        key: ec.EllipticCurvePrivateKey,
        names: Sequence[x509.GeneralName],
        *,
        issuer: str,
        signer: ec.EllipticCurvePrivateKey | None = None,
        days: int = 1,
        subject: str = "authority",
        authority: bool = False,
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.timezone.utc)
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 9 * _DAY)
            .not_valid_after(now + days * _DAY)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .sign(signer or self._key, hashes.SHA256())
        )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


@dataclass
class Relay:
    """Speaks TLS, and hands what it hears to a server that does not.

    Attributes:
        url: with ``localhost`` in it.
        connections: that were made, whatever came of them.
        heard: what came in, decrypted.
    """

    url: str = ""
    connections: int = 0
    heard: list[bytes] = field(default_factory=list)


@contextmanager
def tls(certificate: Path, target: str) -> Iterator[Relay]:
    """Serve *target*, a URL, with *certificate* on a port of this machine."""
    relay, loop = Relay(), asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # handshakes that fail
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    backend = urlsplit(target)

    class Counting(asyncio.StreamReaderProtocol):
        def __init__(self) -> None:
            relay.connections += 1
            super().__init__(asyncio.StreamReader(), serve)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(backend.hostname, backend.port)
        with suppress(OSError, asyncio.IncompleteReadError):
            await asyncio.gather(
                _copy(reader, there[1], relay.heard), _copy(there[0], writer, [])
            )

    async def start() -> asyncio.Server:
        return await loop.create_server(Counting, "127.0.0.1", 0, ssl=context)

    async def stop() -> None:
        server.close()
        mine = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not mine]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(20):  # sockets are closed by the loop's next turns
            await asyncio.sleep(0.005)

    server = loop.run_until_complete(start())
    relay.url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield relay
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(timeout=60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _copy(
    source: asyncio.StreamReader, target: asyncio.StreamWriter, kept: list[bytes]
) -> None:
    try:
        while data := await source.read(65536):
            kept.append(data)
            target.write(data)
            await target.drain()
    finally:
        target.close()
