"""Payments through Razorpay: orders paid on our page with Checkout.js, and payment links."""

from ledger.payments.razorpay.gateway import RazorpayGateway

__all__ = ["RazorpayGateway"]
