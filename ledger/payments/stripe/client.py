"""The connection to Stripe: timeouts, retries, a pinned API version, and its errors as ProviderErrors."""

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import stripe
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from ledger.payments.gateway import ProviderError, ProviderRefuses, ProviderUnavailable, ProviderUnknown
from ledger.settings import SettingMissing, Settings

# Pinned, so that an upgrade of the client does not change what Stripe answers.
API_VERSION = "2026-10-28.endive"
CONNECT_SECONDS, ANSWER_SECONDS, RETRIES = 3, 20, 2

_REFUSALS = (stripe.InvalidRequestError, stripe.CardError)
# Not caused by the request itself: a rotated API key must not look like a card that can't be charged.
_NOT_NOW = (stripe.AuthenticationError, stripe.PermissionError, stripe.RateLimitError, stripe.APIConnectionError)

# Telemetry would send timings, and write a file into the home directory.
stripe.enable_telemetry = False
stripe.set_app_info("prepaid-ledger", version=version("prepaid-ledger"))
# At lower levels its log has names and addresses of customers.
logging.getLogger("stripe").setLevel(logging.WARNING)


class Transport(stripe.RequestsClient):
    """HTTP that remembers whether an attempt of this thread's current call may have had an effect.

    A call is retried with the same idempotency key. If the last attempt can't connect, or is rate-limited, an earlier
    attempt may still have charged.
    """

    def __init__(self) -> None:
        super().__init__(timeout=(CONNECT_SECONDS, ANSWER_SECONDS))
        self._call = threading.local()

    @property
    def doubtful(self) -> bool:
        """Whether an attempt of the last call ended without a clear answer, so that it may have had an effect."""
        return getattr(self._call, "doubtful", False)

    def request_with_retries(self, *args: Any, **kwargs: Any) -> tuple[str, int, Mapping[str, str]]:
        self._call.doubtful = False
        return super().request_with_retries(*args, **kwargs)

    def request(self, *args: Any, **kwargs: Any) -> Any:
        try:
            answer = super().request(*args, **kwargs)
        except stripe.APIConnectionError as error:
            self._call.doubtful |= not _never_sent(error)
            raise
        self._call.doubtful |= answer[1] == 409 or answer[1] >= 500
        return answer


class Stripe:
    """Stripe's client, whose errors become ProviderErrors."""

    def __init__(self, settings: Settings) -> None:
        if not settings.stripe_secret_key.get_secret_value():
            raise SettingMissing("LEDGER_STRIPE_SECRET_KEY")
        self.transport = Transport()
        self.client = stripe.StripeClient(
            settings.stripe_secret_key.get_secret_value(),
            stripe_version=API_VERSION,
            max_network_retries=RETRIES,
            http_client=self.transport,
            base_addresses={"api": settings.stripe_url.rstrip("/")},
        )

    @contextmanager
    def translating_errors(self) -> Iterator[stripe.StripeClient]:
        """Gives the client; its errors in the block become ProviderErrors."""
        try:
            yield self.client
        except stripe.StripeError as error:
            # From None, because the text of the original may contain what a customer typed.
            raise _provider_error(error, doubtful=self.transport.doubtful) from None


def _provider_error(error: stripe.StripeError, *, doubtful: bool) -> ProviderError:
    detail = ", ".join(filter(None, (error.code or type(error).__name__, getattr(error, "param", None))))
    return _kind(error, doubtful)(detail, request_id=error.request_id)


def _kind(error: stripe.StripeError, doubtful: bool) -> type[ProviderError]:
    if isinstance(error, _REFUSALS):
        return ProviderRefuses
    # Also an idempotency key that was used with other parameters: what that request did is unknown.
    if doubtful or not isinstance(error, _NOT_NOW):
        return ProviderUnknown
    return ProviderUnavailable


def _never_sent(error: stripe.APIConnectionError) -> bool:
    cause = error.__cause__
    pool_error = cause.args[0] if cause is not None and cause.args else None
    return isinstance(getattr(pool_error, "reason", None), NewConnectionError | ConnectTimeoutError)
