"""Two ledgers on one cluster don't touch each other; a copy folds and writes nothing; a stranger is refused by name."""

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from kafka import TopicPartition

from ledger.core.errors import EXIT_CONFIG, EXIT_FAILED
from ledger.dev.bootstrap import bootstrap
from ledger.dev.stack import Stack
from ledger.records import api_keys
from ledger.records.migrate import migrate
from ledger.settings import Settings
from projectors.group import group_of
from schemas.topics import TOPICS
from tests.support.commands import command
from tests.support.dumps import dump, restored
from tests.support.events import Ids, policy, purchase, sender, usage
from tests.support.events import priced_usage as usage_request
from tests.support.invoicing import rows
from tests.support.ledgers import new_ledger
from tests.support.programs import ROOT, ledger
from tests.support.servers import api, client, key
from tests.support.waiting import eventually
from tests.support.workers import crew, folded, log_reader, wait_until_projected

IDS = Ids(32)
BALANCES = "SELECT account_id, balance, seq FROM views.balances ORDER BY account_id"


def refusal(settings: Settings, *words: str) -> tuple[int, str]:
    """How a command ends, and what it says on stderr."""
    ended = command(settings, *words)
    return ended.exit_code, ended.stderr


def ends(settings: Settings) -> dict[TopicPartition, int]:
    """Where every partition of every topic ends."""
    with log_reader(settings) as reader:
        places = [
            TopicPartition(settings.topic(topic.name), n) for topic in TOPICS for n in range(topic.partitions or 4)
        ]
        return dict(reader.end_offsets(places))


@pytest.fixture(scope="module")
def production(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A ledger in use, with a trigger, a dead letter and a record that was forwarded."""
    settings = new_ledger(stack)
    bootstrap(settings)
    with crew(settings, tmp_path_factory.mktemp("production")) as workers:
        workers.start()
        with sender(settings) as log, sender(settings, partitioner="consistent_random") as foreign:
            log.send(purchase("acct_1", IDS(), "5"), policy("acct_1", IDS(), "4", "20"), usage("acct_1", IDS(), "3"))
            log.append(b"{", b"acct_1")
            foreign.send(*(usage(f"acct_{number}", IDS()) for number in range(20)))
        wait_until_projected(settings)
        yield settings


def copied(stack: Stack, production: Settings) -> Settings:
    """A second environment on the same log, as an operator sets it up."""
    name = f"copy_{IDS().replace('-', '')[-12:]}"
    stack.postgres.create_database(name)
    copy = production.model_copy(update={"database": stack.postgres.url(name)})
    migrate(copy.database)
    return copy


def test_a_copy_folds_the_same_and_writes_nothing(stack: Stack, production: Settings, tmp_path: Path) -> None:
    before = ends(production)
    fresh = copied(stack, production).model_copy(update={"fold_only": True})
    yesterday = dump(production, tmp_path)
    stood = restored(stack, production, yesterday).model_copy(update={"fold_only": True})
    # What the dump caught on its way out is for production to say.
    rows(
        stood,
        "INSERT INTO records.outbox (message_id, partition, topic, key, value) "
        "SELECT gen_random_uuid(), n, 'ledger.topups', 'a', '{}' FROM generate_series(0, 3) AS n",
    )
    with sender(production) as log:
        log.append(b"{", b"acct_2")
        log.send(usage("acct_1", IDS(), "0.5"))
    wait_until_projected(production)
    after = ends(production)
    assert after != before
    with crew(fresh, tmp_path) as workers:
        first = workers.start()
        other = workers.start(database=stood.database)
        for copy in (fresh, stood):
            eventually(lambda: folded(copy) == folded(production))  # noqa: B023
            assert rows(copy, BALANCES) == rows(production, BALANCES)
            assert rows(copy, "SELECT code FROM views.dead_letters") == rows(
                production, "SELECT code FROM views.dead_letters"
            )
        assert rows(fresh, "SELECT 1 AS one FROM records.outbox") == []
        assert (first.alive, other.alive) == (True, True)
        # Neither took partitions from production, which folds on beside them.
        with sender(production) as log:
            log.send(*(usage(f"acct_{number}", IDS()) for number in range(20)))
        wait_until_projected(production)
    assert {place: end for place, end in ends(production).items() if "events" not in place.topic} == {
        place: end for place, end in after.items() if "events" not in place.topic
    }
    assert sum(ends(production).values()) == sum(after.values()) + 20


REFUSED = {
    "consume": ("consume",),
    "publish": ("publish", "-"),
    "buy": ("buy", "acct_1", "5", "--provider", "stripe"),
    "bootstrap": ("bootstrap", "--book", str(ROOT / "deploy/first-book.json")),
    "topics --create": ("topics", "--create"),
    "topics --claim": ("topics", "--claim", "--yes"),
}


@pytest.fixture(scope="module")
def copy(stack: Stack, production: Settings) -> Settings:
    return copied(stack, production).model_copy(update={"fold_only": True})


@pytest.mark.parametrize("words", REFUSED.values(), ids=REFUSED.keys())
def test_what_would_write_is_refused_by_name_in_a_copy(copy: Settings, words: tuple[str, ...]) -> None:
    code, said = refusal(copy, *words)
    ends_with = EXIT_CONFIG if words[0] == "consume" else EXIT_FAILED
    assert (code, said.count("LEDGER_FOLD_ONLY is set")) == (ends_with, 1), said


def test_a_copys_api_reads_and_refuses_what_writes(stack: Stack, production: Settings, tmp_path: Path) -> None:
    copy = restored(stack, production, dump(production, tmp_path)).model_copy(update={"fold_only": True})
    with api(copy, tmp_path) as url, client(url, key(copy)) as http:
        assert http.get("/v1/accounts/acct_1").status_code == 200
        for method, path in (
            ("POST", "/v1/usage"),
            ("POST", "/v1/authorizations"),
            ("POST", "/v1/accounts/acct_1/adjustments"),
            ("PUT", "/v1/accounts/acct_1/profile"),
            ("POST", "/v1/webhook-endpoints"),
            ("POST", "/webhooks/stripe"),
        ):
            answer = http.request(method, path, json=usage_request("acct_1"))
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "fold_only"), path


def test_what_is_ended_in_a_copy_is_not_ended_in_production(stack: Stack, production: Settings, tmp_path: Path) -> None:
    token = key(production)
    key_id = api_keys.parse(token).key_id  # type: ignore[union-attr]
    stood = restored(stack, production, dump(production, tmp_path))
    before = ends(production)
    code, said = refusal(stood.model_copy(update={"fold_only": True}), "keys", "revoke", key_id, "--yes")
    assert (code, "the original does not learn of this" in said) == (0, True)
    # Also later, when the setting is gone: it was never noted for the log.
    noted = rows(stood, "SELECT convert_from(value, 'utf8') AS value FROM records.log_events")
    assert not [row for row in noted if key_id in row["value"]]
    assert ends(production) == before


def test_a_database_that_never_folded_this_log_is_refused_until_it_takes_the_log_over(
    stack: Stack, tmp_path: Path
) -> None:
    own = new_ledger(stack)
    bootstrap(own)
    stranger = copied(stack, own)
    before = ends(own)
    for words in (("project",), ("consume",)):
        refused = ledger(stranger, *words)
        assert (refused.returncode, "Another database folds this log" in refused.stderr) == (EXIT_CONFIG, True), words
    for words in (("rebuild", "--yes"), ("topics",), ("bootstrap", "--book", str(ROOT / "deploy/first-book.json"))):
        code, said = refusal(stranger, *words)
        assert (code, "Another database folds this log" in said) == (EXIT_FAILED, True), words
    other_keys = stranger.model_copy(update={"signing_keys": Settings(signing_keys={"test-1": "x"}).signing_keys})
    assert "LEDGER_SIGNING_KEYS" in refusal(other_keys, "topics")[1]
    with api(stranger, tmp_path) as url, client(url, key(stranger)) as http:
        answer = http.post("/v1/usage", json=usage_request("acct_1"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "log_refused")
    assert ends(own) == before
    assert rows(stranger, "SELECT 1 AS one FROM views.progress") == []

    with crew(own, tmp_path) as workers:
        worker = workers.start()
        with sender(own) as log:
            log.send(usage("acct_1", IDS()))
        wait_until_projected(own)
        assert refusal(stranger, "topics", "--claim")[0] == 1  # there is no terminal to ask on
        assert refusal(stranger, "topics", "--claim", "--yes")[0] == 0
        assert worker.wait() == EXIT_CONFIG
        assert "Another database folds this log" in worker.output
    assert refusal(stranger, "topics")[0] == 0


def test_two_ledgers_on_one_cluster_rebuild_beside_each_other(stack: Stack, production: Settings) -> None:
    other = new_ledger(stack)
    bootstrap(other)
    with sender(other) as log:
        log.send(usage("acct_1", IDS()))
    rebuilt = ledger(other, "rebuild", "--yes", "--json")  # production's worker runs
    assert rebuilt.returncode == 0, rebuilt.stderr
    assert json.loads(rebuilt.stdout)["accounts"] == 1


def test_a_role_of_the_database_that_is_no_superuser_has_a_group_for_its_copy(
    stack: Stack, production: Settings
) -> None:
    copy = copied(stack, production).model_copy(update={"fold_only": True})
    with psycopg.connect(copy.database, autocommit=True) as connection:
        connection.execute("CREATE ROLE reader LOGIN")
    user = copy.model_copy(update={"database": copy.database.replace("postgres@", "reader@")})
    try:
        assert group_of(user) == group_of(copy) != production.group("projector")
    finally:
        with psycopg.connect(copy.database, autocommit=True) as connection:
            connection.execute("DROP ROLE reader")
