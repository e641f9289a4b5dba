"""What a provider's update led to: every value, in one place. A comparison with any other text fails mypy."""

from typing import Literal

# credited: the purchase was appended to the log. already: the log had it. declined: the customer may try again.
# mismatch: the update contradicts what was agreed; an alert was raised. ignored: this ledger did not sell it.
PaymentOutcome = Literal["credited", "already", "pending", "declined", "failed", "expired", "mismatch", "ignored"]
RefundOutcome = Literal["refunded", "already", "pending", "failed", "mismatch", "ignored"]
# disputed: the dispute was appended. won, lost: its end was appended.
DisputeOutcome = Literal["disputed", "won", "lost", "already", "mismatch", "ignored"]
PayoutOutcome = Literal["received", "already", "mismatch"]
# resumed: an auto top-up that was suspended is armed again.
MethodsOutcome = Literal["resumed", "ignored"]
Outcome = PaymentOutcome | RefundOutcome | DisputeOutcome | PayoutOutcome | MethodsOutcome

# The purchase is on the log, since now or since before.
CREDITED: frozenset[PaymentOutcome] = frozenset({"credited", "already"})
# An event about money was appended to the log just now.
APPENDED: frozenset[Outcome] = frozenset({"credited", "refunded", "disputed", "won", "lost", "received"})
