"""The customers at the providers: created when they are first needed, with the data of the profile."""

from ledger.payments.buyers import load_buyer
from ledger.payments.event_recorder import Database
from ledger.payments.gateway import Gateway
from ledger.records import customers


def customer_of(database: Database, provider: str, account_id: str) -> str | None:
    """The account's customer id at the provider; None until it has bought or saved something there."""
    with database() as connection:
        return customers.find(connection, account_id, provider)


def put_customer(database: Database, gateway: Gateway, account_id: str) -> str:
    """Creates or updates the account's customer at the provider; returns its id. Raises what the gateway raises."""
    with database() as connection:
        who = load_buyer(connection, account_id)
        stored_id = customers.find(connection, account_id, gateway.provider)
    customer_id = gateway.put_customer(who, stored_id)
    if customer_id != stored_id:
        with database() as connection:
            customers.put(connection, account_id, gateway.provider, customer_id)
    return customer_id
