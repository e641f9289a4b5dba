"""The sentences of docs/reference/events.md that no model can say."""

HEAD = """\
# Events

Every fact is a record on a Kafka topic, and its value is a [CloudEvents 1.0](https://cloudevents.io) event in JSON
(structured mode). `make docs` makes this page from the program: the fields and bounds are those that the ledger checks,
and its own rules fold the examples. [JSON Schemas](../../schemas/json/) of all types are for clients in any language.

## The envelope"""

# What the attributes mean here; their forms are the models'.
ENVELOPE = {
    "specversion": "The version of CloudEvents.",
    "source": "The sender, as a URI: your router's name and place, such as `router/eu-1`.",
    "id": "The event's id. A UUID (version 7 advised) is used as it is; another text becomes a UUID: see below.",
    "subject": "The account. Also the record's Kafka key, byte for byte.",
    "time": "When it happened, by the sender's clock. It is shown, but no rule reads it: the log's own time counts.",
    "datacontenttype": "May be left out.",
    "dataschema": "A URI whose last segment is the version of `data`. Absent: version 1.",
}

AFTER_ENVELOPE = """\
Other attributes, such as `traceparent`, are accepted, as CloudEvents requires, and are not content. Unknown fields in
`data` are refused. A record has at most 65,536 bytes. Over HTTP the same event is the body of `POST /v1/usage`."""

TOPICS = {
    "ledger.events": "Every fact, kept for ever. The key is the account, so each account has one order.",
    "ledger.topups": "What the fold derives for consumers, at least once, with the same id. The key is the account.",
    "ledger.book": "What the fold depends on besides the events, as complete versions. The key is `book`.",
    "ledger.records": "What people ended or erased in Postgres, so that a restore doesn't bring it back, and which "
    "database owns the log. It has ids only, no personal data. The key is `records`.",
    "ledger.deadletters": "What could not be read or applied. The key is the place of the record, `topic/partition`.",
}

SIGNATURES = """\
## Signatures

Only `usage.recorded` and `trace.recorded` may come from a router. Every other record, on every topic, has one Kafka
header `ledger-signature`, over the bytes of the value as they are on the log:

```text
v1=<key id>:<HMAC-SHA256(secret, value) in lower-case hex>
```

So a stolen router credential can neither add credits nor charge cards. The secrets are settings
(`LEDGER_SIGNING_KEYS`). The book says which key ids are accepted, and from when to when. A retired key still verifies
what it signed while it was valid. A router may sign its events, too; then they have ids of their own.

With the key `{key_id}`, whose secret is `{secret}`:

```sh
printf '%s' '{value}' |
  openssl dgst -sha256 -hmac '{secret}' -r | cut -d ' ' -f 1
# {digest}
```

and the header is `{header}`. In Python:

```python
import hmac

value = b'{value}'
print("v1={key_id}:" + hmac.digest(b"{secret}", value, "sha256").hex())
# {header}
```"""

IDENTITY = """\
## Identity and duplicates

An event is identified by its account, whether it is signed, and its id. So a router can't occupy the id of a payment.

- An `id` that is a UUID is taken in lower case. Another text becomes `uuid5(uuid5(namespace, source), id)` with the
  namespace `{namespace}`: it then identifies the event together with its source. `req_9` of
  `router/eu-1` is `{id}`.
- **The same id and the same content is the same event.** Sent twice, it is counted once. So send it again whenever you
  don't know whether it arrived. Content is `type` and `data`. The order of fields, spaces, `time` and other attributes
  don't matter; an
  optional field that is `null` is absent. Numbers in texts are compared as they are written: `"0.10"` is not `"0.1"`.
- **The same id and other content is an error**, the dead letter `id_reused`. The first event counts.

Ids are kept as long as the ledger, so there is no window after which a repeated event counts again.

```python
import uuid

source, id = "router/eu-1", "req_9"
print(uuid.uuid5(uuid.uuid5(uuid.UUID("{namespace}"), source), id))
# {id}
```"""

PARTITIONS = """\
## Partitions

The partition is `(murmur2(key) & 0x7fffffff) % partitions`, the default of Java's client, of kafka-python, aiokafka and
most others. Clients on librdkafka (Python's confluent-kafka, Go's, .NET's, PHP's, …) hash with CRC32 unless
`partitioner=murmur2_random` is set. A record in another partition than its key's is not folded there. The ledger
forwards it to the right one, counts it in `/metrics` as `forwarded`, and folds it there, later and out of its order.
See [Integrate a router](../how-to/integrate-a-router.md#in-another-language). To test a client:"""

KINDS = """\
Amounts are texts, never JSON numbers, because many languages read those as floats. Integers are JSON integers: `374`,
not `374.0` or `"374"`. Control characters are refused everywhere."""

REFUSALS = """\
A record that can't be read or applied becomes a [dead letter](#recorddead_lettered): no balance moves, nothing stops,
and the record stays on the log. Over HTTP the API answers with the same codes before anything is on the log, as far as
it can know them there; `param` then names the field."""

# Codes of reading a record, which come before any rule.
READING = {
    "empty": "The record has no value.",
    "too_large": "The value has more than 65,536 bytes.",
    "invalid": "The value is not an event of the forms on this page; the field and the reason say where.",
    "wrong_key": "The record's key is not the event's subject.",
    "bad_signature": "The `ledger-signature` is malformed, there are two, or it doesn't verify.",
    "id_reused": "The id was used before for an event with other content.",
    "refused_by_database": "Postgres can't store it, though its form is right. Please report it.",
}
