"""Whether an account may spend: the one rule that blocks requests when the money is gone."""


def may_spend(available: int, amount: int | None = None) -> bool:
    """True iff something is available, and no less than `amount` when one is named; nanos."""
    return available > 0 and (amount is None or available >= amount)
