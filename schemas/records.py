"""The events of `ledger.records`: what was ended or erased in Postgres, and which database the log belongs to.

A database that is restored is as old as its dump. What was ended since then is read here and ended again. Ids only:
nothing here is personal.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.envelope import Envelope
from schemas.fields import AccountId, Frozen, Token, Uuid, described

RECORDS_SUBJECT = "records"


class RevokedKey(Frozen):
    key_id: Annotated[Token, described("The key's id; never the key.")]


class ApiKeyRevoked(Envelope):
    """A key of the HTTP API was revoked; that is final."""

    subject: Literal["records"] = "records"
    type: Literal["api_key.revoked"] = "api_key.revoked"
    data: RevokedKey


class EndedEndpoint(Frozen):
    endpoint_id: Annotated[Uuid, described("The endpoint's id.")]


class WebhookEndpointEnded(Envelope):
    """A webhook endpoint was ended: nothing is sent there any more."""

    subject: Literal["records"] = "records"
    type: Literal["webhook_endpoint.ended"] = "webhook_endpoint.ended"
    data: EndedEndpoint


class DeletedTaxId(Frozen):
    tax_id: Annotated[Uuid, described("Our id of it; never the number.")]


class TaxIdDeleted(Envelope):
    """A customer's tax id was deleted."""

    subject: Literal["records"] = "records"
    type: Literal["tax_id.deleted"] = "tax_id.deleted"
    data: DeletedTaxId


class ErasedAccount(Frozen):
    account_id: Annotated[AccountId, described("The account whose personal data was erased.")]


class AccountErased(Envelope):
    """A customer's personal data was erased."""

    subject: Literal["records"] = "records"
    type: Literal["account.erased"] = "account.erased"
    data: ErasedAccount


class Claim(Frozen):
    installation_id: Annotated[Uuid, described("The database, by the id that its first migration gave it.")]
    taken_from: Annotated[
        Uuid | None, described("The database that had the log before. Absent: the log belonged to none.")
    ] = None


class LogClaimed(Envelope):
    """The log belongs to this database: other databases may read it, but not write."""

    subject: Literal["records"] = "records"
    type: Literal["log.claimed"] = "log.claimed"
    data: Claim


Ending = ApiKeyRevoked | WebhookEndpointEnded | TaxIdDeleted | AccountErased
RecordsEvent = ApiKeyRevoked | WebhookEndpointEnded | TaxIdDeleted | AccountErased | LogClaimed
RECORDS_EVENT: TypeAdapter[RecordsEvent] = TypeAdapter(Annotated[RecordsEvent, Field(discriminator="type")])
