"""A real broker as production has it: TLS, users with passwords or certificates, and the ACLs of the how-to page."""

import itertools
import re
import secrets
import shlex
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import trustme
from cryptography.hazmat.primitives import serialization
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
    UserScramCredentialUpsertion,
)

from ledger.dev.kafka import EmbeddedKafka, free_port

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "secure-kafka.md"
ROLES = ("router", "ledger-projector", "ledger-api", "ledger-consumer", "ledger-copy", "ledger-admin")

# Only the broker itself and the fixture use the plain listener.
PROPERTIES = """
listeners=PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller_port}},\
SASL_SSL://127.0.0.1:{sasl_port},SSL://127.0.0.1:{tls_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{{port}},SASL_SSL://127.0.0.1:{sasl_port},SSL://127.0.0.1:{tls_port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
super.users=User:ANONYMOUS
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_ssl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_router="{router_password}";
listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.ssl.ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^.*CN=([^,]*).*$/$1/
ssl.keystore.type=PEM
ssl.keystore.location={folder}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
"""


class SecuredKafka:
    """The running broker; `as_user` and `as_certificate` give the settings that connect to it."""

    def __init__(self, folder: Path) -> None:
        self.passwords = {role: secrets.token_urlsafe(16) for role in ROLES}
        self._folder = folder
        self._sasl_port, self._tls_port = free_port(), free_port()
        self._authority = trustme.CA()
        self._authority.cert_pem.write_to_path(folder / "ca.pem")
        _write_pem(folder / "broker.pem", self._authority.issue_cert("127.0.0.1"))
        more = PROPERTIES.format(
            sasl_port=self._sasl_port,
            tls_port=self._tls_port,
            folder=folder,
            router_password=self.passwords["router"],
        )
        self.broker = EmbeddedKafka(folder / "kafka", more=more)

    def as_user(self, role: str, **changes: str) -> dict[str, Any]:
        """The settings of a role over SASL_SSL."""
        return {
            "kafka": f"127.0.0.1:{self._sasl_port}",
            "kafka_security_protocol": "SASL_SSL",
            "kafka_username": role,
            "kafka_password": self.passwords[role],
            "kafka_ca_file": str(self._folder / "ca.pem"),
        } | changes

    def as_certificate(self, role: str) -> dict[str, Any]:
        """The settings of a role over mutual TLS."""
        names = [self._folder / f"{role}.{part}.pem" for part in ("certificate", "key")]
        issued = self._authority.issue_cert(f"{role}.test", common_name=role)
        issued.cert_chain_pems[0].write_to_path(names[0])
        issued.private_key_pem.write_to_path(names[1])
        return {
            "kafka": f"127.0.0.1:{self._tls_port}",
            "kafka_security_protocol": "SSL",
            "kafka_ca_file": str(self._folder / "ca.pem"),
            "kafka_certificate_file": str(names[0]),
            "kafka_key_file": str(names[1]),
        }

    def admit(self) -> None:
        """Makes the users and gives them the rights of the page."""
        made = [
            UserScramCredentialUpsertion(role, mechanism, password)
            for role, password in self.passwords.items()
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
        ]
        with closing(KafkaAdminClient(bootstrap_servers=self.broker.bootstrap)) as admin:
            # One mechanism of a user at a time: the broker refuses a user that a request names twice.
            for chosen in (made[::2], made[1::2]):
                assert not any(admin.alter_user_scram_credentials(chosen).values())
            assert not admin.create_acls(acls_of(PAGE.read_text()))["failed"]


@contextmanager
def secured_kafka(folder: Path) -> Iterator[SecuredKafka]:
    """A broker with its users, until the block ends."""
    kafka = SecuredKafka(folder)
    kafka.broker.start()
    try:
        kafka.admit()
        yield kafka
    finally:
        kafka.broker.stop()


def acls_of(page: str) -> list[ACL]:
    """The ACLs that the page's commands would make."""
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [acl for line in lines if line.startswith("kafka-acls.sh") for acl in _acls_of_command(shlex.split(line))]


def _acls_of_command(words: list[str]) -> Iterator[ACL]:
    given: dict[str, list[str]] = {}
    for name, value in itertools.pairwise(words):
        if name.startswith("--") and not value.startswith("--"):
            given.setdefault(name, []).append(value)
    pattern = ACLResourcePatternType[given.get("--resource-pattern-type", ["literal"])[0].upper()]
    for operation in given["--operation"]:
        for kind in (ResourceType.TOPIC, ResourceType.GROUP):
            for name in given.get(f"--{kind.name.lower()}", []):
                yield ACL(
                    given["--allow-principal"][0],
                    "*",
                    ACLOperation[_upper_snake(operation)],
                    ACLPermissionType.ALLOW,
                    ResourcePattern(kind, name, pattern),
                )


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()


def _write_pem(path: Path, issued: trustme.LeafCert) -> None:
    """Key and certificate as Kafka reads them: the key must be PKCS #8."""
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(text + b"".join(blob.bytes() for blob in issued.cert_chain_pems))
