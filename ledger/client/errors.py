"""The client's errors. None of them loses an event whose id the client has returned."""

from ledger.core.errors import LedgerError


class InvalidEvent(LedgerError):
    message = "The ledger would not accept this event; nothing was recorded"


class UnreadableAnswer(LedgerError):
    message = "The usage can't be read from the provider's answer"


class SpoolFull(LedgerError):
    message = "The spool, or its disk, has no room; nothing was recorded"


class SpoolUnusable(LedgerError):
    message = "The spool can't be read or written; nothing was recorded"


class NotDelivered(LedgerError):
    message = "Events still wait in the spool; they are sent as soon as the ledger can be reached"


class EventsRejected(LedgerError):
    message = "The ledger rejected events, and a retry would not help; they are set aside in the spool"


class Closed(LedgerError):
    message = "The ledger's client is closed; nothing was recorded"


class GateClosed(LedgerError):
    message = "The gate does not answer, so it is not known whether the account may spend"

    def __init__(self, detail: str = "", *, in_doubt: bool = False) -> None:
        self.in_doubt = in_doubt
        """Whether the request may have reached the gate, which then may hold credits."""
        super().__init__(detail)


class InsufficientCredits(LedgerError):
    message = "The account's credits don't cover the request"

    def __init__(
        self,
        body: bytes,
        *,
        available: str,
        required: str,
        max_affordable_output_tokens: int | None,
        top_up_in_flight: bool,
        top_up_url: str | None,
    ) -> None:
        self.body = body
        """The body to pass on to the customer, unchanged, with status 402."""
        self.available, self.required = available, required
        self.max_affordable_output_tokens = max_affordable_output_tokens
        self.top_up_in_flight, self.top_up_url = top_up_in_flight, top_up_url
        super().__init__(f"{available} available, {required} required")


class InvalidAuthorization(LedgerError):
    message = "The gate would not accept this request; nothing is held"


class AuthorizationEnded(LedgerError):
    message = "The authorization has ended; it can't be extended"


class UnsuitableOption(LedgerError):
    message = "This option is not valid here"


class UsedAfterFork(LedgerError):
    message = "The ledger's client was made before this process was forked; make one after the fork"
