"""The states and kinds that the rules, the records and HTTP have in common."""

from typing import Literal

# Of an account's auto top-up (ledger/core/top_ups.py).
TopUpState = Literal["armed", "in_flight", "capped", "suspended"]

# Of the attempts to charge a card for one trigger (ledger/core/top_up_attempts.py).
# due: the attempt may be made. sent: the provider was asked, and the outcome is not known. pending: the payment is
# neither paid nor declined yet. canceling: only the customer could confirm it, so it is being canceled.
AttemptState = Literal["due", "sent", "pending", "canceling", "credited", "suspended", "dropped"]

# Of a hold (ledger/core/holds.py).
HoldState = Literal["open", "settled", "released", "expired"]

# What became of a record of `ledger.events` in the projection (projectors/batch.py).
RecordOutcome = Literal["posted", "duplicate", "dead_letter", "forwarded"]

# What an operator decided about usage that was kept aside.
QuarantineDecision = Literal["accepted", "dropped"]

# What a line of an account's history is (ledger/core/activity.py).
ActivityType = Literal["checkout", "deduction", "manual"]
PurchaseLabel = Literal["Purchase", "Auto Top-up"]
