"""The payment sandbox: a server that speaks the part of the providers' HTTP APIs that we use. No money moves."""
