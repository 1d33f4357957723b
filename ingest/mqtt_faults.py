"""What went wrong with the broker, in one line that names the setting or the remedy.

Pure: an error or a refusal in, the typed fault out. Which faults are worth another try is in the
type; how often is the source's business.
"""

import ssl
from typing import Any, Final

from ingest.mqtt_settings import (
    CA_FILE,
    CERT_FILE,
    CLIENT_ID,
    PROTOCOL,
    URL,
    Address,
    MqttSettings,
)
from ingest.source import (
    BrokerUnreachableError,
    CertificateError,
    CredentialsError,
    SessionError,
    SettingError,
    SourceError,
)

EXPIRED: Final = 10  # X509_V_ERR_CERT_HAS_EXPIRED
NOT_YET_VALID: Final = 9  # X509_V_ERR_CERT_NOT_YET_VALID
HOST_MISMATCH: Final = (62, 63, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, _EMAIL_, _IP_ADDRESS_

# Reason codes of CONNACK: MQTT 3.1.1 section 3.2.2.3, MQTT 5 section 3.2.2.2.
REFUSED_PROTOCOL: Final = (1, 132)
REFUSED_CLIENT_ID: Final = (2, 133)
REFUSED_ACCOUNT: Final = (4, 5, 134, 135, 138)
SHORTEST_SESSION_S: Final = 60
"""A broker that keeps sessions for less than this does not keep sessions [s]."""


def unreachable(error: OSError, shown: str) -> BrokerUnreachableError:
    """Say that nobody answers at the broker's address."""
    return BrokerUnreachableError(
        f"no broker at {shown}: {_words(error)}; check {URL} and that the broker runs"
    )


def refusal(
    reason: Any, properties: Any, settings: MqttSettings, where: Address
) -> SourceError | None:
    """Say what a CONNACK refuses, ``None`` if it gives all that is needed."""
    name, code = str(reason), int(reason.value)
    if code == 0:
        return _missing_in_session(properties, settings, where)
    if code in REFUSED_ACCOUNT:
        who = where.username or "an anonymous client"
        return CredentialsError(
            f"{where.shown} refuses the account {who} ({name}); check user and password in {URL}"
        )
    if code in REFUSED_CLIENT_ID:
        return SettingError(
            f"{where.shown} refuses the client id {settings.client_id!r} ({name}); set {CLIENT_ID}"
        )
    if code in REFUSED_PROTOCOL:
        return wrong_protocol(settings, where)
    return BrokerUnreachableError(f"{where.shown} refuses to serve now ({name})")


def _missing_in_session(
    properties: Any, settings: MqttSettings, where: Address
) -> SourceError | None:
    """Look at what an MQTT 5 broker grants; 3.1.1 does not tell."""
    granted_s = getattr(properties, "SessionExpiryInterval", None)
    if granted_s is not None and granted_s < min(SHORTEST_SESSION_S, settings.session_expiry_s):
        return SessionError(
            f"{where.shown} keeps sessions only {granted_s} s: frames sent while this service is"
            " away would be lost; raise the broker's session expiry"
        )
    if getattr(properties, "MaximumQoS", 2) < 1:
        return SessionError(f"{where.shown} does not offer QoS 1; allow it there")
    return None


def wrong_protocol(settings: MqttSettings, where: Address) -> SettingError:
    """Say that the broker speaks another version of MQTT."""
    other = "5" if settings.protocol == "3.1.1" else "3.1.1"
    return SettingError(
        f"{where.shown} does not speak MQTT {settings.protocol}; set {PROTOCOL} to {other}"
    )


def tls_fault(error: OSError, shown: str) -> SourceError:
    """Say in one line what is wrong with a TLS connection, and the remedy."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code == EXPIRED:
            what = "the broker's certificate has expired; renew it on the broker"
        elif error.verify_code == NOT_YET_VALID:
            what = "the broker's certificate is not valid yet; check this machine's clock"
        elif error.verify_code in HOST_MISMATCH:
            what = f"the broker's certificate is for another name; check the host in {URL}"
        else:
            what = (
                "the broker's certificate is not signed by a trusted authority"
                f" ({error.verify_message}); set {CA_FILE} to the authority's certificate"
            )
        return CertificateError(f"TLS with {shown}: {what}")
    reason = (getattr(error, "reason", None) or "").upper()
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason):
        return CertificateError(
            f"TLS with {shown}: the broker refuses our certificate"
            f" ({_words(error)}); check {CERT_FILE}"
        )
    return BrokerUnreachableError(
        f"TLS with {shown} failed: {_words(error)}; check that {URL} names the broker's TLS port"
    )


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return error.strerror or str(error)
