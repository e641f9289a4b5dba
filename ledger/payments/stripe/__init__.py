"""Payments through Stripe, on its official client: hosted pages, saved methods, webhooks, refunds."""

from ledger.payments.stripe.gateway import StripeGateway, stripe_gateway

__all__ = ["StripeGateway", "stripe_gateway"]
