"""Notices to customers and routers, each once, by signed webhook and e-mail."""
