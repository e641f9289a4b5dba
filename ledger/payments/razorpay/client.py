"""The connection to Razorpay: its SDK over a session with timeouts, bounded retries and our own errors.

The SDK prints the errors of `requests` to stdout, and keeps only the description of a refusal. So the session turns
both into a ProviderError before the SDK sees them. Then the error says whether money may have moved, and nothing is
printed.
"""

from http import HTTPStatus
from typing import Any

import razorpay
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry
from urllib3.exceptions import NewConnectionError

from ledger.payments.gateway import ProviderError, ProviderRefuses, ProviderUnavailable, ProviderUnknown
from ledger.settings import SettingMissing, Settings

_SECONDS_TO_CONNECT, _SECONDS_TO_READ = 3, 20
# After a missing answer only a read is repeated. A request that never reached Razorpay is always repeated. The pauses
# are short, because a customer waits.
_RETRIES = Retry(
    total=2,
    read=1,
    allowed_methods={"GET"},
    status_forcelist={429, 500, 502, 503, 504},
    backoff_factor=0.3,
    raise_on_status=False,
    respect_retry_after_header=False,
)
# Not caused by the request itself: a rotated API key must not look like a payment that does not exist.
_NOT_NOW = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
# The request may have had an effect. 409: an earlier request with the same key is still being processed.
_UNKNOWN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT}
_REQUEST_ID_HEADERS = ("x-razorpay-request-id", "request-id", "x-request-id")


def connect(settings: Settings) -> Any:
    """The SDK's client, with the key of the settings. Raises SettingMissing."""
    if not settings.razorpay_key_id:
        raise SettingMissing("LEDGER_RAZORPAY_KEY_ID")
    key = (settings.razorpay_key_id, settings.razorpay_key_secret.get_secret_value())
    url = settings.razorpay_url.rstrip("/")
    return razorpay.Client(session=_Session(), auth=key, base_url=url)


class _Session(requests.Session):
    """Raises only ProviderErrors, and returns only JSON that was answered with 2xx."""

    def __init__(self) -> None:
        super().__init__()
        adapter = HTTPAdapter(max_retries=_RETRIES)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def request(self, method: str, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
        # No redirects: the API makes none, and the key must not be sent elsewhere.
        options |= {"timeout": (_SECONDS_TO_CONNECT, _SECONDS_TO_READ), "allow_redirects": False}
        reads = method.upper() == "GET"
        try:
            answer = super().request(method, url, *args, **options)
        except requests.RequestException as error:
            raise _unanswered(error, reads) from None
        if not 200 <= answer.status_code < 300 or not _is_json(answer):
            raise _refusal(answer, reads)
        return answer


def _unanswered(error: requests.RequestException, reads: bool) -> ProviderError:
    # Without the error's text, because it contains the URL.
    detail = f"no answer from Razorpay ({type(error).__name__})"
    return ProviderUnavailable(detail) if reads or _never_sent(error) else ProviderUnknown(detail)


def _never_sent(error: requests.RequestException) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def _refusal(answer: requests.Response, reads: bool) -> ProviderError:
    """The ProviderError of an answer that is no success, by its status and the error in its body."""
    error = _error_in(answer)
    detail = " ".join(str(part) for part in (answer.status_code, error.get("code"), error.get("description")) if part)
    field, request_id = error.get("field") or None, _request_id(answer)
    status = answer.status_code
    if status in _NOT_NOW:
        return ProviderUnavailable(detail, request_id=request_id)
    if 400 <= status < 500 and status not in _UNKNOWN and error.get("code") != "GATEWAY_ERROR":
        return ProviderRefuses(detail, field=field, request_id=request_id)
    return (ProviderUnavailable if reads else ProviderUnknown)(detail, request_id=request_id)


def _error_in(answer: requests.Response) -> dict[str, Any]:
    try:
        error = answer.json()["error"]
    except (ValueError, LookupError, TypeError):
        return {}
    return error if isinstance(error, dict) else {}


def _request_id(answer: requests.Response) -> str | None:
    return next((answer.headers[name] for name in _REQUEST_ID_HEADERS if name in answer.headers), None)


def _is_json(answer: requests.Response) -> bool:
    try:
        return isinstance(answer.json(), dict)
    except ValueError:
        return False
