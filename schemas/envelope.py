"""CloudEvents 1.0, structured mode: the envelope around every value on every topic.

`subject` is the account and the Kafka key. Extension attributes pass; unknown fields in `data` do not.
"""

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict

from schemas.fields import AccountId, Moment, Text, matching

Source = Annotated[str, matching(r"^[!-~]{1,200}$", "a URI of at most 200 printable ASCII characters")]
# Its last segment is the version of `data`: "urn:ledger:usage.recorded:1" or "https://example.com/schemas/usage/1".
DataSchema = Annotated[str, matching(r"^[!-~]{1,200}[/:][1-9][0-9]{0,3}$", "a URI whose last segment is a version")]
ContentType = Annotated[str, matching(r"^application/json(; ?[!-~]{1,64})?$", "application/json")]
_VERSION = re.compile(r"[1-9][0-9]{0,3}$")


class Envelope(BaseModel):
    """What every event carries besides `type` and `data`."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    source: Source
    id: Text
    subject: AccountId
    time: Moment | None = None
    datacontenttype: ContentType | None = None
    dataschema: DataSchema | None = None

    @property
    def schema_version(self) -> int:
        """The version of `data`; 1 when `dataschema` is absent."""
        if self.dataschema is None:
            return 1
        found = _VERSION.search(self.dataschema)
        assert found, "the pattern of DataSchema ends with a version"
        return int(found.group())
