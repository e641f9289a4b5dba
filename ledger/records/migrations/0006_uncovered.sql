-- What was charged and no hold covered, per partition, counted in the transaction that posts it: the bound of all
-- overdraft. It is no view: holds are forgotten after some days, so that the log alone does not give it again.
CREATE TABLE records.uncovered (
    partition           integer NOT NULL,
    -- above_hold: the part of a charge above its hold; hold_ended: usage that names a hold which is not open, or none of
    -- its account; no_hold: charges that name none.
    cause               text NOT NULL CHECK (cause IN ('above_hold', 'hold_ended', 'no_hold')),
    charges             bigint NOT NULL,
    nanos               bigint NOT NULL,
    PRIMARY KEY (partition, cause)
);
