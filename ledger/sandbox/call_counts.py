"""How often each operation was called, as the provider counts: also if the response never reached the caller."""

from ledger.sandbox.store import Store

_KIND = "sandbox.calls"


class CallCounts:
    """Calls by provider and operation."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, provider: str, operation: str) -> None:
        """Counts one call."""
        id_ = f"{provider} {operation}"
        known = self._store.get(_KIND, id_) or {"id": id_, "provider": provider, "operation": operation, "calls": 0}
        self._store.put(_KIND, {**known, "calls": known["calls"] + 1})

    def all(self) -> dict[str, dict[str, int]]:
        """The counts, such as `{"stripe": {"payment_intents.create": 2}}`."""
        found: dict[str, dict[str, int]] = {}
        for each in self._store.find(_KIND):
            found.setdefault(each["provider"], {})[each["operation"]] = each["calls"]
        return found

    def clear(self) -> None:
        """Sets all counts to zero."""
        for each in self._store.find(_KIND):
            self._store.remove(_KIND, each["id"])
