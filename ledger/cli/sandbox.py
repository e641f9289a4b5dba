"""`ledger sandbox`: a server that simulates the payment providers on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from ledger.cli.shared import errors_as_messages, read_settings

app = typer.Typer()


@app.command(epilog="Example: ledger sandbox --port 4242 --file sandbox.sqlite")
def sandbox(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 4242,
    file: Annotated[Path | None, typer.Option(help="File for its state. Default: in memory.")] = None,
    webhooks_to: Annotated[
        str,
        typer.Option(help="Base URL of the API that gets the webhooks, such as http://127.0.0.1:8080. Default: none."),
    ] = "",
) -> None:
    """Simulate Stripe and Razorpay for development and tests, until stopped. No money moves.

    Set LEDGER_STRIPE_URL and LEDGER_RAZORPAY_URL to its address; it signs webhooks with the secrets of the settings. It
    starts only with LEDGER_PAYMENTS=sandbox. Its own routes, listed at /docs, switch faults on and advance its clock.
    """
    with errors_as_messages():
        from ledger import logs
        from ledger.sandbox.options import options_of
        from ledger.sandbox.server import serve

        settings = read_settings()
        logs.configure(settings.log_format)
        serve(options_of(settings, port, file, webhooks_to))
