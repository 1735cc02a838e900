import {
  type CallContext,
  type Clock,
  type Id,
  isPortolanError,
  type Logger,
  messageOf,
  newId,
  systemActor,
  type Transaction,
  type UnitOfWork,
} from "@portolan/kernel";
import { keepEvent } from "./keep-event.ts";
import { readEvent } from "./openlineage/read-event.ts";
import { type Names, namesOf } from "./own/names.ts";
import type { OwnStatement, ToldRow } from "./own/statement.ts";
import { tellingOf } from "./own/tell.ts";
import { toldEvents } from "./own/told-events.ts";
import type { ConnectionAddresses, MadeThings, OrganisationNames } from "./ports.ts";
import { type GivenAlias, setAliases } from "./store/aliases.ts";
import {
  dropUntold,
  ledgerSize,
  listUntold,
  moveCursor,
  noteUntold,
  readCursor,
  rowsBetween,
} from "./store/ledger-rows.ts";
import { nodeKey, takeAudience } from "./store/nodes.ts";

export interface FollowDeps {
  readonly work: UnitOfWork;
  readonly clock: Clock;
  readonly log: Logger;
  readonly organisations: OrganisationNames;
  readonly things: MadeThings;
  readonly connections: ConnectionAddresses;
}

const events = Object.keys(toldEvents);
/** Positions that are looked at in one go. */
const reach = 1000;
/** Rows that were not told and are tried again when control starts. */
const mostUntold = 1000;

/**
 * Tells in the lineage what the ledger's rows tell of Portolan's own things, from where it stopped. A thing and its row are one
 * transaction, and a row and the note that it was told are one: so each is told once, whatever ends the process, and an
 * installation that is older than its lineage gets it from its ledger. A row that cannot be told holds up no other.
 *
 * @returns how many rows were told
 */
export async function followLedger(deps: FollowDeps, organisationId: Id<"organisation">): Promise<number> {
  const call = callOf(deps, organisationId);
  const names = await namesFor(deps, organisationId);
  for (let told = 0; ; ) {
    const { from, to, size, rows } = await deps.work.read(call, async (sql) => {
      const position = await readCursor(sql, organisationId);
      const whole = await ledgerSize(sql, organisationId);
      const end = Math.min(position + reach, whole);
      const found = await rowsBetween(sql, { organisationId, events }, position, end);
      return { from: position, to: end, size: whole, rows: found };
    });
    for (const row of rows) {
      await tellRow(deps, call, names, row);
      told += 1;
    }
    // Most rows tell of nothing: they are looked at again until there are many, rather than each noted in a transaction of its own.
    if (to - from >= reach)
      await deps.work.write(call, async (tx) => {
        if ((await readCursor(tx.sql, organisationId)) < to) await moveCursor(tx.sql, organisationId, to);
      });
    if (to >= size) return told;
  }
}

/** Tries once more what could not be told, e.g. by the version before. */
export async function retellUntold(deps: FollowDeps, organisationId: Id<"organisation">): Promise<void> {
  const call = callOf(deps, organisationId);
  const names = await namesFor(deps, organisationId);
  const positions = await deps.work.read(call, (sql) => listUntold(sql, organisationId, mostUntold));
  for (const position of positions) {
    const rows = await deps.work.read(call, (sql) =>
      rowsBetween(sql, { organisationId, events }, position, position + 1),
    );
    for (const row of rows) await tellRow(deps, call, names, row);
  }
}

/** Files are read here, before any transaction. */
async function namesFor(
  { organisations, connections }: FollowDeps,
  organisationId: Id<"organisation">,
): Promise<Names> {
  return namesOf(await organisations.nameOf(organisationId), await connections.read(organisationId));
}

function callOf({ clock }: FollowDeps, organisationId: Id<"organisation">): CallContext {
  return { actor: systemActor("lineage", organisationId), requestId: newId("request", clock.now()) };
}

async function tellRow(deps: FollowDeps, call: CallContext, names: Names, row: ToldRow): Promise<void> {
  try {
    await deps.work.write(call, async (tx) => {
      const tell = toldEvents[row.event];
      const statements = tell ? await tell(tellingOf(tx.sql, deps.things, names, row)) : [];
      for (const statement of statements) await keepOwn(tx, statement);
      await settle(tx, row);
      await dropUntold(tx.sql, row);
    });
  } catch (error) {
    // The database is away, not the row unclear: the next round begins here again.
    if (isPortolanError(error) && error.code.startsWith("database.")) throw error;
    const reason = messageOf(error);
    deps.log.error(
      { row: row.position, event: row.event, subject: row.subject, error: reason },
      "lineage.row.untold",
    );
    await deps.work.write(call, async (tx) => {
      await noteUntold(tx.sql, row, reason);
      await settle(tx, row);
    });
  }
}

/** The row is done, if it is the next: of one that is tried again nothing moves. */
async function settle(tx: Transaction, { organisationId, position }: ToldRow): Promise<void> {
  if ((await readCursor(tx.sql, organisationId)) <= position)
    await moveCursor(tx.sql, organisationId, position + 1);
}

async function keepOwn(tx: Transaction, { event, audience, names }: OwnStatement): Promise<void> {
  const { organisationId } = tx.call.actor;
  const { datasetIds, runRow } = await keepEvent(tx, readEvent(event), audience);
  const audienceId = await takeAudience(tx.sql, organisationId, audience);
  const aliases: GivenAlias[] = [];
  for (const { dataset, ...alias } of names) {
    const datasetId = dataset && datasetIds.get(nodeKey(dataset));
    if (datasetId !== undefined) aliases.push({ ...alias, datasetId });
    else if (runRow !== undefined) aliases.push({ ...alias, runRow });
  }
  await setAliases(tx.sql, organisationId, audienceId, aliases);
}
