import { openDatabase, type Session } from "@portolan/database";
import type { MigrationSet } from "@portolan/kernel";
import { laySchema, schemaKey } from "./schema.ts";

// Any constant serves: who first needs a template makes it, others wait for it.
const templateLock = 7_467_002;

/**
 * Calls back with a session of the server and the name of a database there that has the schema of these sets and of the job queue, made on first use
 * and kept: a copy of it takes a tenth of a second, its making a second or two. Keyed by everything that shapes it.
 */
export async function withTemplate(
  serverUrl: string,
  sets: readonly MigrationSet[],
  use: (session: Session, template: string) => Promise<void>,
): Promise<void> {
  const template = `portolan_template_${await schemaKey(sets)}`;
  await onServer(serverUrl, async (session) => {
    const exists = async (): Promise<boolean> => {
      const found = await session.query("select 1 from pg_database where datname = $1", [template]);
      return found.length > 0;
    };
    if (!(await exists())) {
      await session.query("select pg_advisory_lock($1)", [templateLock]);
      if (!(await exists())) await make(serverUrl, session, template, sets);
      await session.query("select pg_advisory_unlock($1)", [templateLock]);
    }
    await use(session, template);
  });
}

/** Under another name until it is whole: one whose maker was killed is made anew. */
async function make(
  serverUrl: string,
  session: Session,
  template: string,
  sets: readonly MigrationSet[],
): Promise<void> {
  const partial = `${template}_partial`;
  await session.script(`drop database if exists ${partial} with (force)`);
  await session.script(`create database ${partial}`);
  const url = databaseUrl(serverUrl, partial);
  {
    await using database = await openDatabase({ kind: "postgres", url, maxConnections: 1 });
    await laySchema(database, sets);
  }
  await session.script(`alter database ${partial} rename to ${template}`);
}

/** The URL of another database of the same server. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  return url.href;
}

/** Through the database that every server has. */
export async function onServer(serverUrl: string, work: (session: Session) => Promise<void>): Promise<void> {
  await using server = await openDatabase({ kind: "postgres", url: serverUrl, maxConnections: 1 });
  await server.session(work);
}
