import { join } from "node:path";
import { openDatabase, type RestoreReport, restoreDatabase } from "@portolan/database";
import { createAuthorizer, createDirectoryLookups, retireLostKeys } from "@portolan/identity";
import {
  type CallContext,
  type Clock,
  formatInstant,
  type Id,
  type Logger,
  newId,
  PortolanError,
  Secret,
  secretText,
  systemActor,
} from "@portolan/kernel";
import { verifyLedger } from "@portolan/ledger";
import { type Static, Type } from "@portolan/typebox";
import { ControlConfig, type InstallSettings } from "../config.ts";
import { type Foundation, layFoundation, migrationSets } from "../wiring/foundation.ts";
import { backupQueue } from "./backups.ts";

/** Settings of a restore: those of control, the backup and the passphrase of its keys. */
export const RestoreConfig = Type.Object({
  ...ControlConfig.properties,
  RESTORE_FROM: Type.String({
    minLength: 1,
    description: "Backup folder to restore (portolan restore sets it)",
  }),
  BACKUP_PASSPHRASE: Type.Optional(secretText("Opens the private keys of a backup that holds them")),
});
export type RestoreConfig = Static<typeof RestoreConfig>;

/** One organisation's log, as it verifies after the restore. */
export interface RestoredLedger {
  readonly organisation: string;
  readonly provedRows: number;
  readonly unsignedRows: number;
  readonly checkpoints: number;
  /** Note verifier keys that the proof relied on: compare them with those you know. */
  readonly keys: readonly string[];
}

export interface RestoreOutcome extends Omit<RestoreReport, "recoveryPoint"> {
  readonly recoveryPoint: string;
  readonly ledgers: readonly RestoredLedger[];
  /** Signing keys that the backup did not hold; the next signature of their purpose makes a new one. */
  readonly retiredKeys: readonly string[];
}

/**
 * Restores a backup into an empty state folder and database, verifies the ledger of every organisation, and writes
 * that it was restored to each of them. Run with nothing else on that folder.
 *
 * @throws PortolanError `database.backup_damaged`, `database.restore_not_empty`, `database.restore_unverified`
 */
export async function restoreControl(
  config: RestoreConfig & InstallSettings,
  log: Logger,
  clock: Clock,
): Promise<RestoreOutcome> {
  const home = config.PORTOLAN_HOME;
  const started = clock.monotonicNanos();
  await using database = await openDatabase(
    config.DATABASE_URL === undefined
      ? { kind: "pglite", folder: join(home, "pglite") }
      : { kind: "postgres", url: new Secret(config.DATABASE_URL) },
  );
  const report = await restoreDatabase({
    source: config.RESTORE_FROM,
    database,
    home,
    migrations: migrationSets,
    clock,
    endedQueues: [backupQueue],
    ...(config.BACKUP_PASSPHRASE === undefined ? {} : { keysPassphrase: config.BACKUP_PASSPHRASE }),
  });
  const base = await layFoundation(config, log, clock, database);
  const organisations = await createDirectoryLookups(base.work).organisations();
  const ledgers: RestoredLedger[] = [];
  for (const organisation of organisations) ledgers.push(await verified(base, organisation));
  const retiredKeys = await retireKeys(base, organisations[0]);
  for (const ledger of ledgers) await recordRestore(base, ledger, report);
  return {
    ...report,
    recoveryPoint: formatInstant(report.recoveryPoint),
    durationMs: Number((clock.monotonicNanos() - started) / 1_000_000n),
    ledgers,
    retiredKeys,
  };
}

async function verified(base: Foundation, organisation: Id<"organisation">): Promise<RestoredLedger> {
  const deps = {
    uow: base.work,
    authorizer: createAuthorizer({ unitOfWork: base.work, onDenied: () => Promise.resolve() }),
    keys: base.keys,
    clock: base.clock,
    folder: join(base.config.PORTOLAN_HOME, "ledger"),
  };
  const report = await verifyLedger(deps, callOf(base, organisation));
  if (!report.verified) {
    throw new PortolanError("database.restore_unverified", {
      detail: `the restored ledger of ${organisation} does not verify: ${report.findings[0]?.detail ?? ""}`,
      mend: "Do not start from this home; restore an older backup.",
      violations: report.findings.slice(0, 20).map(({ kind, copy, index, id, detail }) => ({
        detail: `${kind} at ${index ?? "-"} ${id ?? ""} (${copy}): ${detail}`,
      })),
    });
  }
  const { provedRows, unsignedRows, checkpoints, keys } = report;
  return { organisation, provedRows, unsignedRows, checkpoints, keys };
}

async function retireKeys(base: Foundation, home: Id<"organisation"> | undefined): Promise<string[]> {
  if (home === undefined) return [];
  const directory = join(base.config.PORTOLAN_HOME, "keys");
  return retireLostKeys({ directory, unitOfWork: base.work }, callOf(base, home));
}

/** A restore takes history back to the recovery point: whoever reads the log later must be able to see that. */
async function recordRestore(
  base: Foundation,
  { organisation, provedRows }: RestoredLedger,
  report: RestoreReport,
): Promise<void> {
  const call = callOf(base, organisation as Id<"organisation">);
  await base.work.write(call, (tx) =>
    tx.record({
      event: "database.backup.restored",
      subject: organisation,
      detail: { recoveryPoint: formatInstant(report.recoveryPoint), provedRows },
    }),
  );
}

function callOf(base: Foundation, organisation: Id<"organisation">): CallContext {
  return { actor: systemActor("restore", organisation), requestId: newId("request", base.clock.now()) };
}
