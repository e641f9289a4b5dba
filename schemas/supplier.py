"""The supplier as invoices show it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from schemas.fields import Text


class Supplier(BaseModel):
    """The supplier of LEDGER_SUPPLIER. Without a name nothing is invoiced; a `gstin` makes invoices those of India."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(max_length=200)] = ""
    address: list[Text] = []
    country: Annotated[str, Field(pattern=r"^([A-Z]{2})?$")] = ""
    # As invoices print them, such as "VAT DE136695976".
    tax_ids: list[Text] = []
    email: str = ""
    gstin: Annotated[str, Field(pattern=r"^([0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z]Z[0-9A-Z])?$")] = ""
    # The service accounting code of what is sold: 998315 is hosting and provision of IT infrastructure.
    sac: Annotated[str, Field(pattern=r"^[0-9]{4,8}$")] = "998315"
    note: Annotated[str, Field(max_length=1000)] = ""
