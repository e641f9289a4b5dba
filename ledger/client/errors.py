"""What can go wrong in a router's process. None of it loses an event whose id was returned."""

from ledger.core.errors import LedgerError


class InvalidEvent(LedgerError):
    """The ledger would not accept this; nothing was recorded."""


class SpoolFull(LedgerError):
    """The spool, or its disk, has no room; nothing was recorded."""


class SpoolUnusable(LedgerError):
    """The spool can't be read or written; nothing was recorded."""


class NotDelivered(LedgerError):
    """Events still wait in the spool; they are sent as soon as the ledger can be reached."""


class Refused(LedgerError):
    """The ledger refused events for good; they are set aside in the spool."""


class Closed(LedgerError):
    """The ledger's client is closed; nothing was recorded."""


class UnsuitableOption(LedgerError):
    """This option can't be chosen here."""


class UsedAfterFork(LedgerError):
    """The ledger's client was made before this process was forked; make one after the fork."""
