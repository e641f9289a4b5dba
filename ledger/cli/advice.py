"""What to do about a dead letter, per code, for whoever reads one. A test sees that no code is without advice.

A record that is a dead letter stays one. What it meant to say can be said again, corrected, under the same id.
"""

_CORRECT = "Correct what sends it, and send what was meant again."
_PAYMENT = "Compare the account's history with the payment provider, then send what is right."

ADVICE = {
    # what can't be read
    "empty": f"A record without a value says nothing, and deletes nothing on this log. {_CORRECT}",
    "too_large": "Send less in the event; metadata is for short labels only. Of a whole batch: send its events again, "
    "in smaller batches.",
    "invalid": f"The reason names each field. {_CORRECT}",
    "time_out_of_bounds": "Brokers stamp records themselves: somebody changed the topic's message.timestamp.type. "
    "Set it back to LogAppendTime, and send the event again.",
    "wrong_key": "Set the Kafka key to the event's subject, the account's id, and send it again.",
    "bad_signature": "Not sent by a holder of the key, or changed under way, or this key's secret is another one here. "
    "Compare LEDGER_SIGNING_KEYS of both processes; if they agree, somebody forges: change the credentials.",
    "unreadable": "A person decided with `ledger log skip` to go on without these offsets. If anything has a copy of "
    "what stood there, send it again.",
    "refused_by_database": f"Postgres can't store a value of it. {_CORRECT}",
    # who may say what
    "id_reused": "Two different events have the same id and the first one counts. Give each event an id of its own.",
    "unsigned": "Only the ledger's own processes send this type. `ledger publish --sign` signs it; if nobody of yours "
    "sent it, change the Kafka credentials that could.",
    "key_not_valid": "The book does not accept this key at that time. Sign with a key that it names, or add the key to "
    "a new version, and send it again.",
    "unknown_schema_version": "Send a version of dataschema that the book names, or add this one to a new version.",
    # usage and traces
    "unpriced": "Add the model's price with `ledger book publish`, or send provider_cost; then send the event again.",
    "cached_tokens_exceed_input": "input_tokens must include cached_input_tokens and cache_write_tokens. " + _CORRECT,
    "amount_out_of_bounds": "If the amount is right, raise event_credits_max in a new version of the book, then send "
    "the event again.",
    "balance_out_of_bounds": "The balance is at the end of what can be counted; look at what led there.",
    # accounts and corrections
    "amount_is_zero": "Nothing is to be done; an adjustment of zero says nothing.",
    "account_already_opened": "Nothing is to be done, if it was opened as it should be.",
    "unknown_package": "Add the package to a new version of the book, or name one of it; then send the event again.",
    # money at providers
    "purchase_already_credited": "Nothing is to be done if it is the same payment; another one needs its own "
    "purchase_id.",
    "unknown_purchase": "Send the purchase first, or correct purchase_id or subject. " + _PAYMENT,
    "exceeds_purchase": "More would go back than was bought. " + _PAYMENT,
    "wrong_purchase_currency": "Provider and currency must be those of the purchase. " + _PAYMENT,
    "dispute_already_open": "Nothing is to be done if it is the same dispute. " + _PAYMENT,
    "no_open_dispute": "Send dispute.opened first, or correct purchase_id. " + _PAYMENT,
    "wrong_provider": "The subject must be provider:<name> of the same provider. " + _CORRECT,
    # auto top-up
    "top_up_too_small": "Configure an amount of at least the book's top_up_credits_min.",
    "top_up_cannot_reach_threshold": "Configure an amount of at least the threshold.",
    "top_up_exceeds_cap": "Configure caps that one top-up fits in, or a smaller amount.",
    # the book
    "unsigned_book": "Publish the version with `ledger book publish` and a signing key that the book accepts.",
    "book_version_out_of_order": "Publish it again with the next version number and a later effective_from.",
    "book_notice_too_short": "Publish it again with an effective_from at least 60 seconds ahead.",
}


def advice_on(code: str) -> str:
    """What to do about a dead letter of this code."""
    return ADVICE.get(code, "A newer version of the ledger knows this code.")
