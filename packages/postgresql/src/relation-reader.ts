import { Socket } from "node:net";
import type {
  DataErrorCode,
  ObservedColumn,
  PostgresqlConnection,
  RelationReader,
  RelationRequest,
  RelationSnapshot,
} from "@portolan/data";
import { isPortolanError, PortolanError } from "@portolan/kernel";
import { Client } from "pg";
import { to as copyTo } from "pg-copy-streams";
import { countedLines } from "./counted-lines.ts";
import { faultOf } from "./sql-faults.ts";

/** The server ends a statement by its own time limit; the network may keep that from us, and so long after it we wait no more. */
const silenceGraceMs = 5000;

/** The port `RelationReader` of `data` on PostgreSQL's own protocol. */
export function createRelationReader(): RelationReader {
  return { read: readRelations };
}

async function readRelations<T>(
  connection: PostgresqlConnection,
  requests: readonly RelationRequest<T>[],
  signal: AbortSignal,
): Promise<RelationSnapshot<T>[]> {
  const socket = new Socket();
  const client = new Client({
    stream: () => socket,
    host: connection.host,
    port: connection.port,
    database: connection.database,
    user: connection.user,
    ...(connection.password === undefined ? {} : { password: connection.password.reveal() }),
    ...(connection.tls
      ? {
          ssl: {
            ...(connection.tls.ca === undefined ? {} : { ca: connection.tls.ca }),
            ...(connection.tls.cert === undefined ? {} : { cert: connection.tls.cert }),
            ...(connection.tls.key === undefined ? {} : { key: connection.tls.key.reveal() }),
          },
        }
      : {}),
    application_name: "portolan",
    connectionTimeoutMillis: 10_000,
    // A peer that is gone is noticed while it owes us rows.
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  });
  // Its end is told by what was asked of it.
  client.on("error", () => undefined);
  const abort = (): void => void client.end().catch(() => undefined);
  signal.addEventListener("abort", abort, { once: true });
  // Before TLS and beneath it: what is encrypted moves the same bytes.
  let isSilent = false;
  socket.setTimeout(connection.statementTimeoutMs + silenceGraceMs, () => {
    isSilent = true;
    abort();
  });
  try {
    signal.throwIfAborted();
    await client.connect();
    await beginSnapshot(client, connection);
    const snapshots: RelationSnapshot<T>[] = [];
    for (const request of requests) snapshots.push(await readRelation(client, connection, request));
    await client.query("rollback");
    return snapshots;
  } catch (error) {
    if (isPortolanError(error)) throw error;
    throw connectionFailed(isSilent ? Object.assign(new Error("silence"), { code: "ETIMEDOUT" }) : error);
  } finally {
    signal.removeEventListener("abort", abort);
    await client.end().catch(() => undefined);
  }
}

/** One snapshot for all that is read; values are written the same whatever the server's own settings are. */
async function beginSnapshot(client: Client, { statementTimeoutMs }: PostgresqlConnection): Promise<void> {
  await client.query("begin transaction isolation level repeatable read, read only");
  const settings = {
    TimeZone: "UTC",
    DateStyle: "ISO",
    IntervalStyle: "iso_8601",
    bytea_output: "hex",
    extra_float_digits: "1",
    statement_timeout: String(statementTimeoutMs),
    lock_timeout: "5000",
    idle_in_transaction_session_timeout: "60000",
  };
  for (const [name, value] of Object.entries(settings))
    await client.query("select set_config($1, $2, true)", [name, value]);
}

async function readRelation<T>(
  client: Client,
  { maxRows, maxBytes }: PostgresqlConnection,
  { relation, wanted, keep }: RelationRequest<T>,
): Promise<RelationSnapshot<T>> {
  const columns = await columnsOf(client, relation);
  const observed = columns.map(({ name, type }) => ({ name, type }));
  const chosen = chosenColumns(columns, wanted).map(cellSql);
  if (chosen.length === 0) return { columns: observed, rows: 0 };
  // A `json` value is copied as somebody wrote it, on many lines perhaps. Within JSON's strings there is no line break, and elsewhere a space is the same.
  const rows = `select translate(row_to_json(r)::text, e'\\n\\r', '  ') from (select ${chosen.join(", ")} from ${quotedRelation(relation)} limit ${maxRows + 1}) r`;
  // JSON has no control characters: with these as delimiter and quote each row is its own text, on a line of its own.
  const stream = client.query(
    copyTo(`copy (${rows}) to stdout (format csv, delimiter e'\\x02', quote e'\\x01')`),
  );
  const lines = countedLines(stream, { relation, maxRows });
  const kept = await keep(lines.chunks, maxBytes);
  return { columns: observed, rows: lines.count(), kept };
}

type Column = ObservedColumn & { readonly isNumber: boolean };
type ChosenColumn = Column & { readonly as: string };

/** All columns, with the server's own names of their types. */
async function columnsOf(client: Client, relation: string): Promise<Column[]> {
  const { rows } = await client.query<Column>(
    `select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, t.typcategory = 'N' as "isNumber"
     from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
     where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped order by a.attnum`,
    [quotedRelation(relation)],
  );
  return rows;
}

/** The columns that are wanted, under the names that they are wanted by: exactly so spelt, else in upper or lower case as they are judged. */
function chosenColumns(columns: readonly Column[], wanted: readonly string[]): ChosenColumn[] {
  const byName = new Map(columns.map((column) => [column.name, column]));
  const byLowerCase = new Map(columns.map((column) => [column.name.toLowerCase(), column]));
  return [...new Set(wanted)].flatMap((as) => {
    const column = byName.get(as) ?? byLowerCase.get(as.toLowerCase());
    return column ? [{ ...column, as }] : [];
  });
}

/** Numbers travel as their text, to the digit: what a contract calls a string keeps them so, and a number or an integer is read from it. */
function cellSql({ name, isNumber, as }: ChosenColumn): string {
  const quoted = quoteIdentifier(name);
  return `${isNumber ? `${quoted}::text` : quoted} as ${quoteIdentifier(as)}`;
}

/** @param relation `schema.name`; neither has a dot of its own */
function quotedRelation(relation: string): string {
  return relation.split(".").map(quoteIdentifier).join(".");
}

function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** In our own words and the server's code: in its words there may be a value. */
function connectionFailed(error: unknown): PortolanError<DataErrorCode> {
  const { detail, mend } = faultOf(error);
  return new PortolanError<DataErrorCode>("data.connection_failed", {
    detail: `the PostgreSQL database failed: ${detail}`,
    mend,
    cause: error,
  });
}
