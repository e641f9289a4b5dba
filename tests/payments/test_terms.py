"""The terms in a provider's metadata: signed, and of one ledger, though two may share its account and their keys."""

import pytest

from ledger.payments.payment_terms import TermsForged, read_terms, signed_metadata
from tests.payments.stripe_shop import KEY, new_terms

SECRETS = {KEY.key_id: KEY.secret}


@pytest.mark.parametrize("ledger", ["", "eu."])
def test_a_ledger_reads_its_own_payments_and_passes_over_those_of_another(ledger: str) -> None:
    terms = new_terms()
    metadata = signed_metadata(terms, KEY, ledger)
    assert read_terms(metadata, SECRETS, ledger) == terms
    assert read_terms(metadata, SECRETS, "us.") is None
    assert all(metadata.values()), "Stripe takes an empty text for a field that is to go"


def test_a_payment_can_not_be_moved_to_another_ledger() -> None:
    with pytest.raises(TermsForged):
        read_terms(signed_metadata(new_terms(), KEY, "eu.") | {"ledger_name": "us."}, SECRETS, "us.")
