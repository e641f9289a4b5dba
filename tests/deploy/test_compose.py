"""compose.yaml: it is valid, opens no port to the network, and what it sets makes a ledger that works.

There is no container engine in the tests. So each service's command line runs here with its environment and the secrets
that it is given, against a broker with the configuration of the page and a real Postgres; only addresses are changed.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from ledger.dev.kafka import EmbeddedKafka, free_port
from ledger.payments.gateways import gateways_of
from ledger.settings import Settings
from tests.support.events import priced_usage
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = YAML(typ="safe", pure=True).load(ROOT / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ["bootstrap", "project", "consume", "serve"]
STOP_SECONDS = 30
# Pages beside compose.yaml, for those who take payments, by provider.
PROVIDERS = {"stripe": "deploy/stripe.yaml", "razorpay": "deploy/razorpay.yaml"}
KEYS = {
    "ledger_stripe_secret_key": "sk_test_1",
    "ledger_razorpay_key_id": "rzp_test_1",
    "ledger_razorpay_key_secret": "secret",
}
RATES = '[{"from": "2026-01-01", "rupees": "85.00"}]'


class Host:
    """What takes the place of the containers: addresses, secrets and processes on this machine."""

    def __init__(self, folder: Path, kafka: str, database: str) -> None:
        self.folder = folder
        self.ports = {"8080": str(free_port()), "9100": str(free_port())}
        self._kafka, self._database = kafka, database
        subprocess.run([ROOT / "deploy" / "make-secrets", folder / "secrets"], check=True, stdout=subprocess.DEVNULL)

    def environment(self, service: str) -> dict[str, str]:
        """The service's own, nothing of this process's."""
        secrets = self.folder / f"secrets-of-{service}"
        secrets.mkdir(exist_ok=True)
        for name in SERVICES[service]["secrets"]:
            text = (self.folder / Path(COMPOSE["secrets"][name]["file"]).relative_to("deploy")).read_text()
            (secrets / name).write_text(self._database if name == "ledger_database" else text)
        given = {name: self._here(value) for name, value in SERVICES[service]["environment"].items()}
        return {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "ignore", "LEDGER_SECRETS_DIR": str(secrets), **given}

    def run(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs the service's command, or another one in its place, to its end."""
        return subprocess.run(
            self.command(service, *command),
            env=self.environment(service),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @contextmanager
    def running(self, service: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """The service until the block ends; SIGTERM must end it in order."""
        with log.open("wb") as out:
            process = subprocess.Popen(
                self.command(service), env=self.environment(service), cwd=self.folder, stdout=out, stderr=out
            )
        try:
            yield process
            assert process.poll() is None, log.read_text()
            process.terminate()
            assert process.wait(STOP_SECONDS) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()

    def command(self, service: str, *instead: str) -> list[str]:
        sources = {
            config["target"]: ROOT / COMPOSE["configs"][config["source"]]["file"]
            for config in SERVICES[service].get("configs", ())
        }
        words = [str(sources.get(word, word)) for word in instead or SERVICES[service]["command"]]
        return [sys.executable, "-m", "ledger.cli", *words]

    def healthy(self, service: str) -> bool:
        """What the service's health check says."""
        _, program, *words = SERVICES[service]["healthcheck"]["test"]
        assert program == "python"
        words = [self._here(word) for word in words]
        return subprocess.run([sys.executable, *words], capture_output=True, check=False).returncode == 0

    def _here(self, text: str) -> str:
        for port, ours in self.ports.items():
            text = re.sub(rf"\b{port}\b", ours, text)
        return text.replace("kafka:9092", self._kafka).replace("0.0.0.0", "127.0.0.1")


@pytest.fixture(scope="module")
def host(database: str) -> Iterator[Host]:
    folder = Path(tempfile.mkdtemp(prefix="ledger-compose-"))
    broker = EmbeddedKafka(folder / "kafka", more=_properties(SERVICES["kafka"]["environment"]))
    try:
        broker.start()
        yield Host(folder, broker.bootstrap, database)
    finally:
        broker.stop()
        shutil.rmtree(folder)


@pytest.mark.parametrize("page", ["compose.yaml", *PROVIDERS.values()])
def test_it_is_what_the_compose_specification_allows(page: str) -> None:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    found = subprocess.run([*checker, ROOT / page], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_open_to_nobody_else(service: str) -> None:
    stated = SERVICES[service]
    assert all(port.startswith("127.0.0.1:") for port in stated.get("ports", ()))
    assert "no-new-privileges:true" in stated["security_opt"]
    assert not stated.get("privileged")
    assert service not in OURS or (stated["read_only"] and stated["cap_drop"] == ["ALL"])


def test_no_secret_is_in_an_environment() -> None:
    named = [name for stated in SERVICES.values() for name in stated.get("environment", ())]
    assert not [name for name in named if re.search("PASSWORD|DATABASE|SIGNING", name) and not name.endswith("_FILE")]


def test_every_secret_is_made_once_and_read_by_containers_only(tmp_path: Path) -> None:
    made = tmp_path / "secrets"
    contents = []
    for _ in range(2):
        subprocess.run([ROOT / "deploy" / "make-secrets", made], check=True, stdout=subprocess.DEVNULL)
        contents.append({path.name: path.read_text() for path in made.iterdir()})
    assert contents[0] == contents[1]
    assert set(contents[0]) == {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert made.stat().st_mode & 0o777 == 0o700
    assert contents[0]["postgres_password"].strip() in contents[0]["ledger_database"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_with_a_providers_page_who_pays_has_its_keys(
    provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = YAML(typ="safe", pure=True).load(ROOT / PROVIDERS[provider])
    assert set(page["services"]) == {"consume", "serve"}
    for name, secret in page["secrets"].items():
        assert secret == {"file": f"deploy/secrets/{name}"}
    for service in page["services"].values():
        for name in service["secrets"]:
            (tmp_path / name).write_text(KEYS.get(name, '["secret"]'))
        for name, value in {"SECRETS_DIR": str(tmp_path), "PAYMENTS": "test", "RAZORPAY_RATES": RATES}.items():
            monkeypatch.setenv(f"LEDGER_{name}", value)
        assert gateways_of(Settings()).keys() == {provider}


def test_its_commands_and_secrets_make_a_ledger(host: Host) -> None:
    assert [_last_line(host.run("bootstrap")) for _ in range(2)] == [
        "The first book is published.",
        "There is a book already.",
    ]
    with ExitStack() as running:
        for service in OURS[1:]:
            for number in range(SERVICES[service].get("deploy", {}).get("replicas", 1)):
                running.enter_context(host.running(service, host.folder / f"{service}-{number}.log"))
        for service in ("consume", "serve"):
            eventually(lambda service=service: host.healthy(service), 120)
        key = _last_line(host.run("serve", "keys", "create"))
        with httpx.Client(base_url=f"http://127.0.0.1:{host.ports['8080']}", timeout=20) as http:
            http.headers["Authorization"] = f"Bearer {key}"
            assert http.post("/v1/usage", json=priced_usage("acme")).is_success
            eventually(lambda: http.get("/v1/accounts/acme/balance").is_success)


def _last_line(ran: subprocess.CompletedProcess[str]) -> str:
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()[-1]


def _properties(environment: dict[str, str]) -> str:
    """The broker's properties, as its image makes them of the environment, with addresses of this machine."""
    ports = {"9092": "{port}", "9093": "{controller_port}", "9094": str(free_port())}
    lines = []
    for name, value in environment.items():
        for port, ours in ports.items():
            value = re.sub(rf"(?<=[/@])(kafka|127\.0\.0\.1)?:{port}\b", f"127.0.0.1:{ours}", value)
        value = value.replace("/var/lib/kafka/data", "{data}")
        lines.append(f"{name.removeprefix('KAFKA_').lower().replace('_', '.')}={value}")
    return "\n".join(lines) + "\n"
