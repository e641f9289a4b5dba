"""Money from customers: purchases, refunds, disputes, auto top-ups and invoices, over any payment provider.

A purchase begins in `purchases`. What becomes of it comes back as an update of the provider: through `webhooks`, a
return page, the sweep or the charger. `provider_updates` gives each update to the module of its kind:
`incoming_payments`, `refunds`, `disputes`, `payouts` or `payment_methods`. They build events with `payment_events`,
append them with `event_recorder`, and say what happened with `outcomes`.

Auto top-ups: `top_up_charges` carries out the decisions of the core, `top_up_provider_calls` asks the provider, and
`top_up_collectors` charges a saved method or sends a link. `reconciliation` compares the provider with the ledger.
Invoices: `invoices`, with `invoice_numbers`, `invoice_content` and `documents`; their tax is in `taxes`.

`gateway` is the interface that `stripe` and `razorpay` implement.
"""
