"""The payment sandbox: a server that plays the parts of Stripe's and Razorpay's APIs that the ledger uses.

No money moves.
"""
