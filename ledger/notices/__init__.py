"""Notices: what customers and routers are told, over signed webhooks and by e-mail, once each."""
