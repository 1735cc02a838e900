import type { Database } from "@portolan/database";

/** A row that a transaction changed, in a table of a domain. */
export interface Change {
  readonly xid: string;
  readonly table: string;
}

/** A ledger row and the transaction that wrote it. */
export interface LedgerRow {
  readonly xid: string;
  readonly class: string;
  readonly event: string | null;
  readonly requestId: string | null;
}

const probe = `
create schema probe;
create table probe.changes (n bigserial primary key, xid text not null, tab text not null);
create table probe.ledger (
  n bigserial primary key, xid text not null, class text not null, event text, request_id text
);
create function probe.note_change() returns trigger language plpgsql as $$
begin
  insert into probe.changes (xid, tab)
  values (pg_current_xact_id()::text, tg_table_schema || '.' || tg_table_name);
  return null;
end $$;
create function probe.note_ledger() returns trigger language plpgsql as $$
begin
  insert into probe.ledger (xid, class, event, request_id)
  values (pg_current_xact_id()::text, new.class, new.event, new.request_id);
  return null;
end $$;
create trigger probe after insert on ledger.rows for each row execute function probe.note_ledger();
do $$
declare t record;
begin
  for t in
    select schemaname, tablename from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema', 'pgboss', 'ledger', 'probe')
  loop
    execute format(
      'create trigger probe after insert or update or delete on %I.%I for each row execute function probe.note_change()',
      t.schemaname, t.tablename);
  end loop;
end $$;
`;

/** Has the database note, by triggers, which transaction changed which table and wrote which ledger row. */
export async function watchTransactions(database: Database) {
  await database.session((session) => session.script(probe));
  const read = <Row>(text: string) => database.session((session) => session.query<Row>(text));
  return {
    /** What happened since the last call. */
    async take(): Promise<{ changes: readonly Change[]; rows: readonly LedgerRow[] }> {
      const changes = await read<Change>(`select xid, tab as "table" from probe.changes order by n`);
      const rows = await read<LedgerRow>(
        `select xid, class, event, request_id as "requestId" from probe.ledger order by n`,
      );
      await database.session((session) => session.script("truncate probe.changes, probe.ledger"));
      return { changes, rows };
    },
  };
}

/** Tables that were changed by a transaction that wrote no ledger row of the wanted class. Pure. */
export function unrecorded(
  changes: readonly Change[],
  rows: readonly LedgerRow[],
  ledgerClass: string,
): string[] {
  const recorded = new Set(rows.filter((row) => row.class === ledgerClass).map((row) => row.xid));
  return [...new Set(changes.filter(({ xid }) => !recorded.has(xid)).map(({ table }) => table))].sort();
}
