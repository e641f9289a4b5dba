"""docs/how-to/change-prices.md: every example on it does what the page says, in its order, on a ledger of its own."""

from pathlib import Path

from ledger.core.price_list import ModelPrice
from ledger.dev.bootstrap import bootstrap
from ledger.dev.child_processes import variables_of
from ledger.dev.connection_files import ConnectionFiles
from ledger.dev.secrets import SIGNING_KEY_ID, signing_secret
from ledger.dev.stack import Stack
from ledger.log.book_history import read_history
from schemas.prices import Price
from tests.docs.pages import examples
from tests.docs.running import Reader
from tests.support.ledgers import new_ledger

PAGE = "docs/how-to/change-prices.md"


def test_the_page_does_what_it_says(stack: Stack, tmp_path: Path) -> None:
    home = tmp_path / ".ledger"
    home.mkdir()
    keys = {SIGNING_KEY_ID: signing_secret(home)}
    settings = new_ledger(stack, signing_key_id=SIGNING_KEY_ID, signing_keys=keys)
    bootstrap(settings)
    ConnectionFiles(home).write({}, variables_of(settings))
    reader = Reader(tmp_path, {"COLUMNS": "120"}, {})
    for example in examples(PAGE):
        reader.runs(example)
    prices = read_history(settings).numbered(2).version.prices
    assert prices.find("openai", "gpt-4o-2024-08-06") == prices.find("openai", "gpt-4o") is not None
    assert prices.find("anthropic", "claude-sonnet-4-5") is not None


def test_the_price_on_the_page_is_one() -> None:
    (example,) = [each for each in examples(PAGE) if each.language == "json"]
    price = ModelPrice(Price.model_validate_json(example.text))
    short, long = (price.tariff(count, {}, 0) for count in (200_000, 200_001))
    assert (short.units["input_tokens"].price, long.units["input_tokens"].price) == ("2", "4")
    assert price.tariff(1, {"service_tier": "flex"}, 0).units["output_tokens"].price == "6"  # the last one counts
