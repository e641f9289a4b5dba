"""What to do about a dead letter, by its code. A test checks that each code has advice.

A dead letter stays one. The corrected event can be sent again under the same id.
"""

_CORRECT = "Correct the sender, and send the correct event again."
_PAYMENT = "Compare the account's history with the payment provider, then send the correct event."

ADVICE = {
    # records that can't be read
    "empty": f"A record without a value has no event, and deletes nothing on this log. {_CORRECT}",
    "too_large": "Send a smaller event; metadata is for short labels only. If it was a whole batch, send its events "
    "again in smaller batches.",
    "invalid": f"The reason names each field. {_CORRECT}",
    "time_out_of_bounds": "The broker must set the time of records, but the topic's message.timestamp.type differs. "
    "Set it back to LogAppendTime, and send the event again.",
    "wrong_key": "Set the Kafka key to the event's subject, the account's id, and send it again.",
    "bad_signature": "The sender does not have the key, or the record was changed, or this process has another secret "
    "for the key. Compare LEDGER_SIGNING_KEYS of both processes; if they are equal, the record is forged: change the "
    "credentials.",
    "unreadable": "A person skipped these offsets with `ledger log skip`. If a copy of the records exists, send them "
    "again.",
    "refused_by_database": f"Postgres can't store one of its values. {_CORRECT}",
    # ids and permissions
    "id_reused": "Two different events have the same id, and only the first one counts. Give each event its own id.",
    "unsigned": "Only the ledger's own processes send this type. `ledger publish --sign` signs it. If it does not come "
    "from you, change the Kafka credentials that allow it.",
    "key_not_valid": "The book did not accept this key at that time. Sign with a key of the book, or add the key to a "
    "new version of it, and send the event again.",
    "unknown_schema_version": "Send a dataschema version that is in the book, or add this one to a new version of it.",
    # usage and traces
    "unpriced": "Add the model's price with `ledger book publish`, or send provider_cost; then send the event again.",
    "counts_do_not_nest": "A unit's count includes those of its parts: input_tokens includes cache_read_tokens. "
    + _CORRECT,
    "amount_out_of_bounds": "If the amount is right, raise event_credits_max in a new version of the book, then send "
    "the event again.",
    "balance_out_of_bounds": "The balance would exceed the largest number that the ledger can store. Find out why.",
    # accounts and corrections
    "amount_is_zero": "Nothing to do: an adjustment of zero has no effect.",
    "account_already_opened": "Nothing to do, if the account was opened correctly.",
    "unknown_package": "Add the package to a new version of the book, or use one that it has. Then send it again.",
    # money at providers
    "purchase_already_credited": "Nothing to do if it is the same payment. Another payment needs its own purchase_id.",
    "unknown_purchase": "Send the purchase first, or correct purchase_id or subject. " + _PAYMENT,
    "exceeds_purchase": "The refunds would exceed the purchase. " + _PAYMENT,
    "wrong_purchase_currency": "Provider and currency must be those of the purchase. " + _PAYMENT,
    "dispute_already_open": "Nothing to do if it is the same dispute. " + _PAYMENT,
    "no_open_dispute": "Send dispute.opened first, or correct purchase_id. " + _PAYMENT,
    "wrong_provider": "The subject must be provider:<name> of the same provider. " + _CORRECT,
    # auto top-up
    "top_up_too_small": "Configure an amount of at least the book's top_up_credits_min.",
    "top_up_cannot_reach_threshold": "Configure an amount of at least the threshold.",
    "purchase_not_in_whole_cents": "Configure an amount in whole cents.",
    "top_up_exceeds_cap": "Configure caps that allow one top-up, or a smaller amount.",
    # the book
    "unsigned_book": "Use `ledger book publish` or `ledger book withdraw` with a signing key that the book accepts.",
    "book_version_out_of_order": "Publish it again with the next version number.",
    "book_notice_too_short": "Publish it again with an effective_from at least 60 seconds ahead.",
    "unknown_book_version": "`ledger book list` shows the versions; withdraw one of those.",
    "book_version_withdrawn": "Nothing to do: the version was withdrawn before.",
    "book_withdrawal_too_late": "The version took effect. Publish another one that undoes it.",
}


def advice_on(code: str) -> str:
    """What to do about a dead letter of this code."""
    return ADVICE.get(code, "This version of the ledger does not know the code; a newer version does.")
