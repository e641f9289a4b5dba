-- Invoices and credit notes. They are kept for as long as the law asks, also when their customer is erased.

-- How far a consumer of facts has come in each partition of the views; moved in the transaction of its work.
CREATE TABLE records.fact_positions (
    consumer            text NOT NULL,
    partition           integer NOT NULL,
    next_offset         bigint NOT NULL CHECK (next_offset >= 0),
    PRIMARY KEY (consumer, partition)
);

-- The last number of each series and financial year. Whoever takes the next one holds the row until it is written.
CREATE TABLE records.invoice_series (
    series              text NOT NULL,
    year                text NOT NULL,
    last                bigint NOT NULL CHECK (last >= 0),
    PRIMARY KEY (series, year)
);

-- One row per purchase and one per refund: `event_id` is that fact's. `content` is all that the document says, frozen.
-- It may be shown once its number is on the log (`recorded_at`): a number that nobody saw may be given again.
CREATE TABLE records.invoices (
    number              text PRIMARY KEY,
    kind                text NOT NULL CHECK (kind IN ('invoice', 'credit_note')),
    series              text NOT NULL,
    year                text NOT NULL,
    position            bigint NOT NULL CHECK (position > 0),
    event_id            uuid NOT NULL,
    account_id          text NOT NULL,
    purchase_id         text NOT NULL,
    issued_on           date NOT NULL,
    currency            text NOT NULL,
    total_minor         bigint NOT NULL CHECK (total_minor >= 0),
    tax_minor           bigint NOT NULL CHECK (tax_minor BETWEEN 0 AND total_minor),
    content             jsonb NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    recorded_at         timestamptz,
    UNIQUE (series, year, position),
    UNIQUE (account_id, event_id)
);
CREATE INDEX invoices_of_account ON records.invoices (account_id, created_at, number);
CREATE INDEX invoices_of_purchase ON records.invoices (account_id, purchase_id);
CREATE INDEX invoices_unrecorded ON records.invoices (created_at) WHERE recorded_at IS NULL;

-- The document as it was set first, so that it has the same bytes for ever, whatever fonts and template become.
CREATE TABLE records.invoice_pdfs (
    number              text PRIMARY KEY REFERENCES records.invoices,
    pdf                 bytea NOT NULL,
    set_at              timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What is issued stays as it is; what was wrong is corrected by another document.
CREATE FUNCTION records.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an issued invoice never changes';
END
$$;
CREATE TRIGGER invoices_stay BEFORE UPDATE ON records.invoices FOR EACH ROW
    WHEN (OLD.recorded_at IS NOT NULL
          OR to_jsonb(OLD) - 'recorded_at' IS DISTINCT FROM to_jsonb(NEW) - 'recorded_at')
    EXECUTE FUNCTION records.refuse_change();
CREATE TRIGGER invoices_are_kept BEFORE DELETE ON records.invoices FOR EACH ROW
    EXECUTE FUNCTION records.refuse_change();
CREATE TRIGGER invoice_pdfs_stay BEFORE UPDATE OR DELETE ON records.invoice_pdfs FOR EACH ROW
    EXECUTE FUNCTION records.refuse_change();
