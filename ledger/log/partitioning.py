"""Which partition is an account's: murmur2 of the key, as Java, kafka-python and aiokafka do it."""

from kafka.partitioner.default import murmur2


def partition_of(key: bytes, partitions: int) -> int:
    """The only partition in which records of this key are folded."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
