"""Customers at the providers: made when they are first needed, and told what the profile says."""

from ledger.payments.buyers import load_buyer
from ledger.payments.event_recorder import Database
from ledger.payments.gateway import Gateway
from ledger.records import customers


def customer_of(database: Database, provider: str, account_id: str) -> str | None:
    """Who the account is at the provider; None until it has bought or saved something there."""
    with database() as connection:
        return customers.find(connection, account_id, provider)


def put_customer(database: Database, gateway: Gateway, account_id: str) -> str:
    """Tells the provider who the account is; its id there. Raises what the gateway raises."""
    with database() as connection:
        who = load_buyer(connection, account_id)
        known = customers.find(connection, account_id, gateway.provider)
    customer_id = gateway.put_customer(who, known)
    if customer_id != known:
        with database() as connection:
            customers.put(connection, account_id, gateway.provider, customer_id)
    return customer_id
