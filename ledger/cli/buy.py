"""`ledger buy`: begins a purchase and prints the link to pay it."""

import json
from typing import Annotated

import typer

from ledger.cli.shared import Json, console, errors_as_messages, read_settings

app = typer.Typer()


@app.command("buy", epilog="Example: ledger buy acct_42 10 --provider razorpay")
def buy(
    account: str,
    amount: Annotated[str, typer.Argument(help="In credits.")],
    provider: Annotated[str, typer.Option(help="stripe or razorpay.")],
    return_url: Annotated[str, typer.Option(help="Where the page leads in the end. Default: nowhere.")] = "",
    as_json: Json = False,
) -> None:
    """Begin a purchase as the API does, and print the link to the page where it is paid.

    The account has the credits once the provider says that they are paid.
    """
    wanted = {"amount": amount, "provider": provider, **({"return_url": return_url} if return_url else {})}
    with errors_as_messages():
        from ledger.payments.public_urls import pay_url
        from ledger.payments.purchase_command import begin_purchase

        settings = read_settings()
        row = begin_purchase(settings, account, wanted)
        url = pay_url(settings, row.checkout_id)
    if as_json:
        shown = {"purchase_id": row.checkout_id, "state": row.state, "pay_url": url, "currency": row.currency}
        print(json.dumps({**shown, "amount_minor": row.amount_minor, "tax_minor": row.tax_minor}))
    else:
        console.print(url, soft_wrap=True, highlight=False)
