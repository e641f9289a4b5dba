"""The SQL view `views.postings` says what the table of ledger.core.postings says."""

from importlib.resources import files

from ledger.core.postings import CREDIT, LEGS, Leg


def test_the_view_has_the_legs_of_the_core() -> None:
    schema = files("ledger.views").joinpath("schema.sql").read_text(encoding="utf-8")
    assert _squeezed(_view()) in _squeezed(schema), f"ledger/views/schema.sql needs:\n{_view()}"


def _squeezed(sql: str) -> str:
    return "".join(sql.split())


def _view() -> str:
    legs = ",\n    ".join(_values(leg) for leg in LEGS)
    return (
        "CREATE VIEW views.postings AS\n"
        "SELECT e.account_id, e.event_id, e.signed, e.seq, e.log_time,\n"
        "       leg.account AS posting_account, leg.unit, leg.amount\n"
        f"FROM views.entries e CROSS JOIN LATERAL (VALUES\n    {legs}\n) AS leg (types, account, unit, amount)\n"
        "WHERE e.type = ANY (leg.types) AND leg.amount <> 0;\n"
    )


def _values(leg: Leg) -> str:
    types = ", ".join(f"'{kind}'" for kind in leg.types)
    account = "'" + leg.account.replace("{provider}", "' || e.provider || '") + "'"
    unit = "e.currency" if leg.money else f"'{CREDIT}'"
    amount = " ".join(f"{'+' if sign > 0 else '-'} e.{column}" for column, sign in leg.terms)
    return f"(ARRAY[{types}], {account}, {unit}, {amount})"
