"""Why there is no connection, in words that say what to do; and connections to anybody at all."""

from __future__ import annotations

import socket
import ssl
from typing import Final

from tailrace.errors import PeerError
from tailrace.net.client.pool import Origin


class UnverifiedOrigin(Origin):
    """An origin whose certificate is not looked at."""

    __slots__ = ()

    def tls(self) -> ssl.SSLContext | None:
        context = super().tls()
        if context is not None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


_ANYWAY: Final = "; --insecure measures it all the same"
_CERTIFICATES: Final = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is self-signed",
    19: "its certificate was signed by an authority that this machine does not know",
    20: "its certificate was signed by an authority that this machine does not know",
    21: "its certificate was signed by an authority that this machine does not know",
    62: "its certificate is for another name",
    64: "its certificate is for another address",
}
"""By OpenSSL's numbers (X509_V_ERR_…)."""


def explain(error: PeerError, origin: Origin) -> str:
    """Say what is wrong, and what may help."""
    where = f"[{origin.host}]" if ":" in origin.host else origin.host
    where += f":{origin.port}"
    cause = error.__cause__
    if isinstance(cause, socket.gaierror):
        return f"the name {origin.host} is not known; is it spelled right, and is the network up?"
    if isinstance(cause, ssl.SSLCertVerificationError):
        said = _CERTIFICATES.get(cause.verify_code, f"its certificate: {cause.verify_message}")
        return f"{where}: {said}{_ANYWAY}"
    if isinstance(cause, ssl.SSLError):
        reason = (cause.reason or str(cause)).replace("_", " ").lower()
        return f"{where} does not speak TLS as we do ({reason}); is it http?"
    if isinstance(cause, ConnectionRefusedError):
        return f"{where} refuses the connection; is the server running, and the port right?"
    if origin.is_tls and isinstance(cause, ConnectionResetError | ConnectionAbortedError):
        return f"{where} closed the connection in the TLS handshake; is it http?"
    return str(error)
