"""A Kafka with TLS, users and ACLs: every process works with its own rights, and a router's password does no more."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.errors import KafkaError, TopicAuthorizationFailedError

from ledger.core.errors import EXIT_CONFIG
from ledger.dev.bootstrap import bootstrap
from ledger.dev.child_processes import environment_of
from ledger.dev.stack import Stack
from ledger.guard.guard import Guard
from ledger.log.connecting import CertificateUnusable, KafkaForbids, KafkaRefusesUser, kafka_options
from ledger.log.publisher import LogUnavailable, Publisher
from ledger.log.topics import create_topics
from ledger.records.migrate import migrate
from ledger.settings import Settings
from schemas.topics import BOOK, DEAD_LETTERS, EVENTS, TOP_UPS
from tests.support import sandbox as doubles
from tests.support.events import priced_usage
from tests.support.ledgers import new_ledger
from tests.support.programs import Program, ledger
from tests.support.secured import SecuredKafka, secured_kafka
from tests.support.servers import api, client, key
from tests.support.waiting import eventually
from tests.support.workers import crew, wait_until_projected

REFUSED_SECONDS = 15
# Of the consumers that are driven by records.
GROUPS = {f"ledger-{name}" for name in ("dead-letters", "charge-top-ups", "notifications")}
# With a provider that does not answer, so that every consumer has something to do.
PAYING = {
    **{name: text for name, text in doubles.VARIABLES.items() if "RAZORPAY" not in name},
    "LEDGER_STRIPE_URL": "http://127.0.0.1:9/stripe",
    "LEDGER_SUPPLIER": '{"name": "Example Router Ltd"}',
}


@pytest.fixture(scope="module")
def kafka() -> Iterator[SecuredKafka]:
    folder = Path(tempfile.mkdtemp(prefix="ledger-secured-"))
    try:
        with secured_kafka(folder) as running:
            yield running
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def admin(stack: Stack, kafka: SecuredKafka) -> Settings:
    """A ledger on that broker, made with the administrator's rights."""
    made = new_ledger(stack, topic_prefix="", **kafka.as_user("ledger-admin"))
    bootstrap(made)
    with Publisher(made) as publisher:
        for topic in (EVENTS, TOP_UPS, DEAD_LETTERS):  # so that there is something to read
            publisher.append(topic, b"a", b"{}").position()
    return made


@pytest.fixture
def roles(admin: Settings, kafka: SecuredKafka) -> Any:
    """The ledger's settings as another role reads them."""

    def as_role(role: str, **changes: str) -> Settings:
        return Settings(**{**admin.model_dump(), **kafka.as_user(role, **changes)})

    return as_role


def test_the_api_appends_and_the_worker_folds_with_their_own_rights(
    roles: Any, admin: Settings, tmp_path: Path
) -> None:
    with crew(roles("ledger-projector"), tmp_path) as workers, api(roles("ledger-api"), tmp_path) as url:
        worker = workers.start()
        with client(url, key(admin)) as http:
            eventually(lambda: http.get("/readyz").is_success, 60)
            assert http.post("/v1/usage", json=priced_usage("acme")).is_success
            eventually(lambda: http.get("/v1/accounts/acme").is_success)
            adjusted = http.post(
                "/v1/accounts/acme/adjustments",
                json={"amount": "3", "reason_code": "goodwill"},
                headers={"Idempotency-Key": "a"},
            )
            assert adjusted.is_success, adjusted.text
            # A balance that changed its level is said on ledger.topups.
            eventually(lambda: _read(roles("ledger-consumer"), TOP_UPS))
        assert worker.alive, worker.output
    said = worker.output + (tmp_path / "api.log").read_text()
    assert not [role for role in ("ledger-projector", "ledger-api") if _password(roles(role)) in said]


def groups(admin: Settings) -> set[str]:
    """The consumer groups that Kafka knows."""
    with closing(KafkaAdminClient(**kafka_options(admin))) as client:
        return {found["group_id"] for found in client.list_groups()}


def test_the_consumers_run_with_their_own_rights(roles: Any, admin: Settings, tmp_path: Path) -> None:
    settings, log = roles("ledger-consumer"), tmp_path / "consume.log"
    with Publisher(settings) as publisher:  # as those do that charge, sweep and invoice
        publisher.append(EVENTS, b"a", b"{}").position()
    with log.open("wb") as out:
        given = environment_of(settings) | PAYING
        consuming = Program("-m", "ledger.cli", "consume", environment=given, stdout=out, stderr=out)
    try:
        # The record that is no dead letter becomes one itself, which takes the right to write one.
        ready = lambda: "dead_letter" in log.read_text() and groups(admin) >= GROUPS  # noqa: E731
        eventually(lambda: ready() or consuming.poll() is not None, 60)
        assert consuming.poll() is None, log.read_text()
    finally:
        consuming.terminate()
        assert consuming.wait(20) == 0, log.read_text()


def test_a_worker_with_another_mechanism_or_a_certificate_reads_the_log_too(
    roles: Any, admin: Settings, kafka: SecuredKafka, tmp_path: Path
) -> None:
    by_mechanism = roles("ledger-projector", kafka_sasl_mechanism="SCRAM-SHA-256")
    plain = {name: "" for name in ("kafka_username", "kafka_password")}
    by_certificate = Settings(**{**admin.model_dump(), **plain, **kafka.as_certificate("ledger-projector")})
    for number, settings in enumerate((by_mechanism, by_certificate)):
        folder = tmp_path / str(number)
        folder.mkdir()
        with crew(settings, folder) as workers:
            workers.start()
            with Publisher(admin) as publisher:
                publisher.append(EVENTS, b"a", b"{}").position()
            wait_until_projected(admin)


def test_a_copy_folds_with_a_user_that_may_only_read(stack: Stack, roles: Any, admin: Settings, tmp_path: Path) -> None:
    stack.postgres.create_database("secured_copy")
    copy = roles("ledger-copy").model_copy(update={"database": stack.postgres.url("secured_copy"), "fold_only": True})
    migrate(copy.database)
    with crew(copy, tmp_path) as workers:
        worker = workers.start()
        wait_until_projected(copy)
        assert worker.alive, worker.output


@pytest.mark.parametrize(
    "command", ["topics --create", "book show", "tail --no-follow", "deadletters list", "state acme", "rebuild --yes"]
)
def test_an_administrators_commands_need_no_more_than_its_rights(admin: Settings, command: str) -> None:
    answer = ledger(admin, *command.split())
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_router_publishes_usage_with_any_mechanism(roles: Any, mechanism: str) -> None:
    with Publisher(roles("router", kafka_sasl_mechanism=mechanism), delivery_seconds=10) as publisher:
        assert publisher.append(EVENTS, b"acme", b"{}").position().offset >= 0


@pytest.mark.parametrize("topic", [TOP_UPS, BOOK, DEAD_LETTERS])
def test_a_router_can_write_nothing_but_events(roles: Any, topic: str) -> None:
    with Publisher(roles("router"), delivery_seconds=5) as publisher, pytest.raises(LogUnavailable) as refused:
        publisher.append(topic, b"acme", b"{}").position()
    assert isinstance(refused.value, KafkaForbids)


@pytest.mark.parametrize("topic", [EVENTS, TOP_UPS, BOOK, DEAD_LETTERS])
def test_a_router_can_read_nothing(roles: Any, admin: Settings, topic: str) -> None:
    assert _read(admin, topic)
    with pytest.raises(TopicAuthorizationFailedError):
        _read(roles("router"), topic)


def test_the_api_can_not_say_what_the_fold_says(roles: Any) -> None:
    with Publisher(roles("ledger-api"), delivery_seconds=5) as publisher, pytest.raises(KafkaForbids):
        publisher.append(TOP_UPS, b"acme", b"{}").position()


def test_the_administrators_rights_to_make_topics_are_nobody_elses(roles: Any) -> None:
    with pytest.raises((KafkaForbids, KafkaError)):
        create_topics(roles("ledger-api").model_copy(update={"topic_prefix": "ledger.other."}))


def test_a_wrong_password_ends_the_worker_in_words_and_at_once(roles: Any, tmp_path: Path) -> None:
    answer = ledger(roles("ledger-projector", kafka_password="not-the-password"), "project")
    assert answer.returncode == EXIT_CONFIG
    assert "Error: Kafka refuses these credentials" in answer.stderr
    assert "not-the-password" not in answer.stderr


def test_a_wrong_password_fails_a_publisher_in_words(roles: Any) -> None:
    began = time.monotonic()
    with pytest.raises(KafkaRefusesUser):
        Publisher(roles("router", kafka_password="not-the-password"), delivery_seconds=REFUSED_SECONDS)
    assert time.monotonic() - began < REFUSED_SECONDS + 5


def test_an_api_with_a_wrong_password_says_so_when_asked(roles: Any, admin: Settings, tmp_path: Path) -> None:
    with api(roles("ledger-api", kafka_password="not-the-password"), tmp_path) as url, client(url, key(admin)) as http:
        missing = eventually(lambda: "refuses" in (said := _kafka_part(http)) and said)
        assert missing.startswith("Kafka refuses these credentials")
    assert "not-the-password" not in (tmp_path / "api.log").read_text()


def test_a_worker_without_its_rights_ends_in_words(roles: Any) -> None:
    answer = ledger(roles("router"), "project")
    assert answer.returncode == EXIT_CONFIG
    assert "Error: This Kafka user lacks an ACL" in answer.stderr


def test_a_broker_with_a_strangers_certificate_is_not_talked_to(roles: Any) -> None:
    # In a process of its own: kafka-python leaves the socket of a failed handshake to the garbage collector.
    answer = ledger(roles("ledger-projector", kafka_ca_file=""), "project")
    assert answer.returncode == EXIT_CONFIG
    assert "Error: Kafka and we can't agree on TLS" in answer.stderr
    assert "CERTIFICATE_VERIFY_FAILED" in answer.stderr


def test_a_certificate_that_is_not_there_is_named(roles: Any) -> None:
    with pytest.raises(CertificateUnusable, match=r"LEDGER_KAFKA_CA_FILE.*/nowhere.pem"):
        kafka_options(roles("router", kafka_ca_file="/nowhere.pem"))


def _read(settings: Settings, topic: str) -> int:
    """How many records of a topic this role can fetch. Raises what the broker refuses with."""
    with closing(KafkaConsumer(**kafka_options(settings), enable_auto_commit=False)) as consumer:
        places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or (0,)]
        consumer.assign(places)
        consumer.end_offsets(places)
        for place in places:
            consumer.seek(place, 0)
        return sum(map(len, consumer.poll(timeout_ms=10_000).values()))


def _kafka_part(http: Any) -> str:
    return str(http.get("/readyz").json()["parts"]["kafka"]["reason"])


def _password(settings: Settings) -> str:
    return settings.kafka_password.get_secret_value()


def test_who_may_not_look_at_the_log_is_told_which_right_is_missing_and_writes_nothing(roles: Any) -> None:
    with closing(Guard(roles("router"))) as guard:
        guard.look()
        assert guard.closed == "refused"
        assert "This Kafka user lacks an ACL" in guard.reason
        assert "Describe on topic ledger." in guard.reason
