-- Stretches of the log that can't be read and that a person has decided to pass over: a second fold decides the same.
-- Of the topic with this id alone: a topic that is made anew has other records at these offsets.
CREATE TABLE records.skips (
    topic           text NOT NULL,
    topic_id        text NOT NULL,
    partition       integer NOT NULL,
    first_offset    bigint NOT NULL CHECK (first_offset >= 0),
    last_offset     bigint NOT NULL CHECK (last_offset >= first_offset),
    what            text NOT NULL,
    reason          text NOT NULL,
    decided_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, topic_id, partition, first_offset)
);

-- When Kafka last refused a message for good, by its size for instance: it is set aside and tried again later, so that
-- what is behind it does not wait.
ALTER TABLE records.outbox ADD COLUMN refused_at timestamptz;
