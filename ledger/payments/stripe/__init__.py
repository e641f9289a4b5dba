"""Payments through Stripe, on its official client: hosted pages, saved methods, webhooks, refunds."""

from ledger.payments.stripe.gateway import StripeGateway

__all__ = ["StripeGateway"]
