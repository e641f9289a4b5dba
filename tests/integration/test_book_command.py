"""`ledger book` against a real broker and database: show, diff, publish, import; at a terminal and without one."""

import json
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from ledger.cli.shared import console
from ledger.core.book import compiled
from ledger.dev.bootstrap import bootstrap
from ledger.dev.first_book import first_book
from ledger.dev.stack import Stack
from ledger.log.book import BOOK_BYTES_MAX, BookFollower, publish_version
from ledger.log.book_history import BookEventRejected, read_history
from ledger.log.publisher import Publisher
from ledger.log.topics import check_topics, create_topics
from ledger.records.migrate import migrate
from ledger.settings import Settings
from schemas.book import BookVersion
from tests.support.book_commands import Commands, Wire, in_minutes
from tests.support.events import Ids, sender, usage
from tests.support.ledgers import new_ledger
from tests.support.workers import crew, wait_until_projected

IDS = Ids(31)


@pytest.fixture
def commands(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setattr(console, "width", 200)
    return Commands(settings, tmp_path)


def test_the_version_in_force_is_shown_and_its_json_is_a_version(commands: Commands) -> None:
    shown = commands.says("show", "--prices", "openai/*")
    assert "Version 1, in force from the beginning" in shown
    assert "dev" not in shown
    lines = [line.split() for line in shown.splitlines()]
    first = lines.index(["openai/gpt-4o-mini", "input_tokens", "0.15"])
    assert lines[first + 1 : first + 3] == [["output_tokens", "0.6"], ["cache_read_tokens", "0.075"]]
    assert "claude" not in shown
    assert BookVersion.model_validate_json(commands.says("show", "--json")) == first_book("test-1")


def test_a_version_is_published_announced_and_shown_as_it_was_given(commands: Commands) -> None:
    wire = commands.latest() | {"markups": {"auto": "0.12", "tier": "0.08"}}
    published = json.loads(commands.says("publish", commands.file(wire), "--yes", "--json"))
    number, moment = published["version"], datetime.fromisoformat(published["effective_from"])
    assert 50 < (moment - datetime.now(UTC)).total_seconds() <= 60
    assert f"Version {number} takes effect at {published['effective_from']}." in commands.says("show")
    assert json.loads(commands.says("show", "--json"))["version"] == 1
    assert json.loads(commands.says("show", "--json", "--at", moment.isoformat())) == wire | {"version": number}
    assert json.loads(commands.says("diff", commands.file(wire), "--json"))["changes"] == []


def test_what_a_version_changes_is_said_before_it_is_published(commands: Commands) -> None:
    wire = commands.latest()
    wire["prices"][0]["rates"]["input_tokens"] = "3.75"
    name = f"{wire['prices'][0]['provider']}/{wire['prices'][0]['model']} input_tokens"
    change = {"part": "prices", "name": name, "before": "2.5", "after": "3.75", "percent": "+50.00"}
    found = json.loads(commands.says("diff", commands.file(wire), "--json"))
    assert change in found["changes"]
    assert found["removed_in_use"] == []
    said = commands.says("publish", "next.json", "--yes")
    assert ["prices", *name.split(), "2.5", "3.75", "+50.00", "%"] in [line.split() for line in said.splitlines()]
    assert "is accepted and takes effect at" in said


def test_it_asks_on_a_terminal_and_a_no_changes_nothing(commands: Commands) -> None:
    wire, before = commands.latest(), commands.versions()
    status, shown = commands.answers("n", "publish", commands.file(wire))
    assert (status, commands.versions()) == (1, before)
    assert "Nothing changes." in shown
    assert f"Publish version {before + 1}?" in shown
    status, shown = commands.answers("y", "publish", "next.json")
    assert (status, commands.versions()) == (0, before + 1), shown


def test_nobody_to_ask_means_no(commands: Commands) -> None:
    assert commands.refuses("publish", commands.file(commands.latest())) == (
        "Error: This is not a terminal, so the command can't ask for confirmation; add --yes to confirm"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": 1}, "Error: version: Book versions count up by one"),
        ({"effective_from": in_minutes(0.5)}, "Error: effective_from: A book version takes effect at least 60 seconds"),
        ({"rules": 99}, "needs rules 99; update the program"),
        ({"signing_keys": [{"key_id": "test-1"}, {"key_id": "new"}]}, "LEDGER_SIGNING_KEYS lacks new"),
        ({"prices": 1}, "Error: This is not a version of the book: prices: "),
        ({"trace_price": 0.1}, "trace_price: "),
        ({"markups": {"auto": "1e3", "tier": "0"}}, "markups.auto: must be zero or more: decimal text"),
        ({"surprise": 1}, "surprise: is not a field of this type"),
        ({"default_package": "gold"}, "default_package 'gold' is not one of packages"),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_what_the_readers_would_reject_is_refused_before_it_is_appended(
    commands: Commands, changes: Wire, said: str
) -> None:
    assert said in commands.refuses("publish", commands.file(commands.latest() | changes), "--yes")


def many_prices(count: int) -> list[Wire]:
    """`count` prices of some 210 bytes each."""
    rates = {"input_tokens": "1", "output_tokens": "1"}
    price = {"provider": "p", "names": [], "patterns": [], "rates": rates, "variants": []}
    return [{**price, "model": f"{number:0100}"} for number in range(count)]


def test_a_version_that_is_larger_than_a_record_is_refused(commands: Commands) -> None:
    said = commands.refuses("publish", commands.file(commands.latest() | {"prices": many_prices(6_000)}), "--yes")
    assert said.startswith("Error: prices: A version of the book has at most 1,000,000 bytes")
    assert "6,000 prices" in said


@pytest.mark.parametrize(("text", "said"), [("[]", "next.json: The file is not a JSON object"), ("{", "Expecting")])
def test_a_file_that_is_no_version_is_refused(commands: Commands, text: str, said: str) -> None:
    (commands.folder / "next.json").write_text(text)
    for command in ("diff", "publish"):
        assert said in commands.refuses(command, "next.json")


def test_moments_without_an_offset_are_refused(commands: Commands) -> None:
    commands.file(commands.latest())
    for words in (["publish", "next.json", "--effective-from", "2030-01-01"], ["show", "--at", "yesterday"]):
        assert commands.refuses(*words).startswith(f"Error: {words[-2]}: A time is a date and time with its offset")


def test_a_version_that_does_not_exist_is_not_shown(commands: Commands) -> None:
    assert "version: The book has no version of that number: 999" in commands.refuses("show", "--version", "999")


def test_what_became_of_a_rejected_record_is_said(settings: Settings) -> None:
    with Publisher(settings) as publisher:
        position = publish_version(publisher, first_book("test-1"), settings.signing_key())
    with pytest.raises(BookEventRejected, match="Book versions count up by one"):
        read_history(settings).require_accepted(position)


def test_a_removed_model_that_is_in_use_is_warned_about(commands: Commands) -> None:
    with sender(commands.settings) as log:
        log.send(*(usage("acct_1", IDS()) for _ in range(3)), usage("acct_2", IDS(), model="gpt-4o-mini"))
    with crew(commands.settings, commands.folder) as members:
        members.start()
        wait_until_projected(commands.settings)
    wire = commands.latest()
    wire["prices"] = [price for price in wire["prices"] if price["provider"] != "openai"]
    found = json.loads(commands.says("diff", commands.file(wire), "--json"))["removed_in_use"]
    assert found == [
        {"provider": "openai", "model": "gpt-4o", "requests": 3},
        {"provider": "openai", "model": "gpt-4o-mini", "requests": 1},
    ]
    assert "Warning: openai/gpt-4o was used 3 times in the last 30 days." in commands.says("diff", "next.json")


def test_list_prices_are_imported_beside_the_others_and_published(commands: Commands) -> None:
    before = commands.latest()
    said = commands.run("import", "--provider", "openai", "--model", "gpt-*", "-o", "next.json")
    assert said.exit_code == 0
    warning = "openai/gpt-5-image output_image_tokens have no price, and output_tokens cost what those of gpt-5 do, 10"
    assert warning in " ".join(said.stderr.split())
    shown = commands.says("diff", "next.json")
    assert shown.startswith("Prices: ")
    assert f"Warning: {warning.replace(' ', ': ', 1)}." in shown
    commands.says("publish", "next.json", "--yes")
    after = commands.latest()
    models = {price["model"] for price in after["prices"]}
    assert {price["model"] for price in before["prices"]} | {"gpt-6-sol"} <= models
    imported = ("prices", "note", "provider_names", "provider_fallbacks")
    assert {part: value for part, value in after.items() if part not in imported} == {
        part: value for part, value in before.items() if part not in imported
    }
    assert after["note"].startswith("List prices of genai-prices ")


def test_imported_prices_can_replace_all_others_and_need_no_log(commands: Commands) -> None:
    offline = without_log(commands)
    words = ("import", "--onto", "base.json", "--provider", "openrouter", "--replace", "--json")
    made = json.loads(offline.says(*words))
    version = BookVersion.model_validate_json(json.dumps(made["version"]))
    assert {price.provider for price in version.prices} == {"openrouter"}
    assert (made["imported"], made["skipped"]) == (len(version.prices), [])
    assert {remark["provider"] for remark in (*made["remarks"], *made["warnings"])} == {"openrouter"}


def test_moved_list_prices_are_found_and_proposed(commands: Commands) -> None:
    words = ("import", "--onto", "base.json", "--check", "--json")
    offline = without_log(commands)
    ended = offline.run(*words, "-o", "next.json")
    found = json.loads(ended.stdout)
    assert (ended.exit_code, found["compared"], found["unlisted"]) == (1, 4, [])
    change = {"part": "prices", "name": "google/gemini-2.5-flash cache_read_tokens", "before": "0.075", "after": "0.03"}
    assert change | {"percent": "-60.00"} in found["changes"]
    assert offline.run("import", "--onto", "base.json", "--check", "--provider", "groq").exit_code == 0
    proposed = json.loads(offline.says("import", "--onto", "next.json", "--check", "--json"))
    assert proposed == {"compared": 4, "changes": [], "unlisted": []}


def test_the_check_compares_what_is_in_force_and_proposes_the_next_version(commands: Commands) -> None:
    ended = commands.run("import", "--check", "--model", "gemini*", "-o", "next.json")
    assert ended.exit_code == 1
    assert ended.stdout.startswith("List prices moved.\nPrices: ")
    assert "google/gemini-2.5-flash cache_read_tokens" in ended.stdout
    assert "openai" not in ended.stdout
    proposed = json.loads((commands.folder / "next.json").read_text())
    assert proposed["version"] == read_history(commands.settings).next_number
    assert commands.run("import", "--check", "--replace").exit_code == 2


def without_log(commands: Commands) -> Commands:
    """An operator whose broker is away, with the first book in base.json."""
    commands.file(json.loads(first_book("test-1").model_dump_json(exclude_none=True)), "base.json")
    return Commands(commands.settings.model_copy(update={"kafka": "127.0.0.1:1"}), commands.folder)


def test_an_import_of_nothing_is_an_error(commands: Commands) -> None:
    assert "--model: No model of the list prices can be imported so: nope" in commands.refuses(
        "import", "--model", "nope"
    )


def test_the_whole_list_is_shown_in_short_published_and_followed(commands: Commands) -> None:
    commands.run("import", "-o", "next.json")
    shown = commands.says("diff", "next.json")
    changes = json.loads(commands.says("diff", "next.json", "--json"))["changes"]
    models = {change["name"].split(" ")[0] for change in changes if change["part"] in ("prices", "names")}
    assert f"{len(models) - 100:,} more models.\n--json shows all." in shown
    assert len(shown.splitlines()) < len(changes) / 2
    commands.says("publish", "next.json", "--yes")
    written = BookVersion.model_validate_json((commands.folder / "next.json").read_text())
    follower = BookFollower(commands.settings)
    try:
        assert follower.wait(timeout_seconds=60)
        followed = follower.book().versions[-1]
        prices = followed.prices
    finally:
        follower.close()
    assert followed == compiled(written, followed.effective_from_ms)
    assert len(prices.prices) > 2_000
    found = prices.find("vertex_ai", "vertex_ai/gemini-2.5-pro")
    assert found is not None
    assert found.wire in written.prices


def test_a_broker_that_is_away_is_named(commands: Commands) -> None:
    away = Commands(commands.settings.model_copy(update={"kafka": "127.0.0.1:1"}), commands.folder)
    ended = away.run("show")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Error: The book's topic can't be read; is Kafka there")


def test_the_first_version_applies_from_the_beginning_however_large_it_is(stack: Stack, tmp_path: Path) -> None:
    settings = new_ledger(stack)
    migrate(settings.database)
    create_topics(settings)
    with psycopg.connect(settings.database) as connection:
        check_topics(settings, connection)
    commands = Commands(settings, tmp_path)
    assert "The book has no version yet" in commands.refuses("show")
    first = json.loads(first_book("test-1").model_dump_json(exclude_none=True, exclude={"version"}))
    nearly_too_large = first | {"prices": many_prices(4_100)}
    assert 900_000 < len(json.dumps(nearly_too_large)) < BOOK_BYTES_MAX
    published = commands.says("publish", commands.file(nearly_too_large), "--yes", "--json")
    assert json.loads(published) == {"version": 1, "effective_from": "the beginning"}
    assert commands.latest() == nearly_too_large
    bootstrap(settings)  # leaves a book that is there as it is
    assert commands.versions() == 1
