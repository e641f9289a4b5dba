"""`ledger sandbox`: the payment providers' APIs, played on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from ledger.cli.shared import failing_in_words, read_settings

app = typer.Typer()


@app.command(epilog="Example: ledger sandbox --port 4242 --file sandbox.sqlite")
def sandbox(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 4242,
    file: Annotated[Path | None, typer.Option(help="Where it is kept over restarts. Default: in memory.")] = None,
    webhooks_to: Annotated[
        str, typer.Option(help="The API that gets the webhooks, such as http://127.0.0.1:8080. Default: nobody.")
    ] = "",
) -> None:
    """Play Stripe and Razorpay for development and tests, until told to stop. No money moves.

    Reached with LEDGER_STRIPE_URL and LEDGER_RAZORPAY_URL; webhooks are signed with the secrets of the settings. It
    starts with LEDGER_PAYMENTS=sandbox only. Its own routes, at /docs, switch faults on and put its clock forward.
    """
    with failing_in_words(service=True):
        from ledger import logs
        from ledger.sandbox.server import serve
        from ledger.sandbox.start import options_of

        settings = read_settings()
        logs.configure(settings.log_format)
        serve(options_of(settings, port, file, webhooks_to))
