import { cp, mkdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { addKeysToBackup, readManifest, verifyFiles } from "@portolan/database";
import { isPortolanError, PortolanError, Secret } from "@portolan/kernel";
import type { Command } from "commander";
import { type RestoreOutcome, removeHome, restoreOffline } from "../backup/restore-offline.ts";
import { waitForJob } from "../client/jobs.ts";
import { type CliContext, connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { progressBar } from "../progress.ts";
import { sizeText } from "../size-text.ts";
import { readRunState } from "../supervisor/state-file.ts";

/** What the server says of a backup. */
interface BackupSummary {
  readonly name: string;
  readonly recoveryPoint: string;
  readonly durationMs: number;
  readonly rows: number;
  readonly files: number;
  readonly sizeBytes: number;
  readonly withKeys: boolean;
}

interface BackupOptions {
  readonly passphraseFile?: string;
  readonly check: boolean;
  readonly region?: string;
  readonly owner?: string;
}

export function registerBackupCommands(program: Command, contextOf: ContextOf): void {
  registerBackup(program, contextOf);
  registerRestore(program, contextOf);
  program
    .command("backups")
    .description("Complete backups in the state folder of the server")
    .addHelpText("after", "\nExample:\n  portolan backups --json")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const answer = await api.json<{ backups: readonly BackupSummary[] }>({ path: "/v1/backups" });
      const rows = answer.backups.map((each) => [
        each.name,
        each.recoveryPoint,
        String(each.rows),
        sizeText(each.sizeBytes),
        each.withKeys ? "yes" : "no",
      ]);
      context.output.result(answer, table(["name", "recovery point", "rows", "size", "keys"], rows));
    });
}

function registerBackup(program: Command, contextOf: ContextOf): void {
  program
    .command("backup [folder]")
    .description(
      "Back up everything while it runs, then prove the backup by restoring it aside and verifying its ledger",
    )
    .option("--passphrase-file <file>", "put the private keys in, sealed under the passphrase in this file")
    .option("--no-check", "do not restore it aside")
    .option("--region <region>", "region that it goes to (default: as the server is configured)")
    .option("--owner <owner>", "who owns the place that it goes to: self, or a provider's name")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan backup\n  portolan backup /mnt/backups/monday --passphrase-file ~/.portolan-passphrase",
    )
    .action(async (folder: string | undefined, options: BackupOptions, command: Command) => {
      const context = contextOf(command);
      const target = folder === undefined ? undefined : resolve(context.cwd, folder);
      const local = readRunState(context.home) !== undefined && context.env["PORTOLAN_URL"] === undefined;
      if (!local) requireNothingLocal(context, target, options);
      if (target !== undefined) await refuseExisting(target);
      const passphrase = await readPassphrase(context, options.passphraseFile);
      const made = await makeBackup(context, options);
      if (!local) {
        context.output.result(
          made,
          `${madeText(made)}\nit is on the server's host, under backups/${made.name}`,
        );
        return;
      }
      const source = join(context.home, "backups", made.name);
      if (passphrase) await addKeysToBackup(source, context.home, passphrase);
      const checked = options.check ? await tryRestore(context, source, passphrase) : undefined;
      const at = target === undefined ? source : await moveBackup(source, target);
      context.output.result(
        { ...made, withKeys: passphrase !== undefined, folder: at, ...(checked ? { checked } : {}) },
        [
          madeText(made),
          ...(checked ? [`verified       restored aside: ${ledgersText(checked)}`, timeText(checked)] : []),
          `keys           ${passphrase ? "inside, under the passphrase" : "not inside: a restore makes new ones (--passphrase-file keeps them)"}`,
          `folder         ${at}`,
        ].join("\n"),
      );
    });
}

interface RestoreOptions {
  readonly passphraseFile?: string;
}

function registerRestore(program: Command, contextOf: ContextOf): void {
  program
    .command("restore <backup>")
    .description("Restore a backup into an empty --home (and DATABASE_URL when set), and verify its ledger")
    .option("--passphrase-file <file>", "opens the private keys in the backup")
    .addHelpText(
      "after",
      "\nExample:\n  portolan restore /mnt/backups/monday --home /srv/portolan && portolan --home /srv/portolan up --detach",
    )
    .action(async (backup: string, options: RestoreOptions, command: Command) => {
      const context = contextOf(command);
      if (readRunState(context.home)) {
        throw new PortolanError<CliErrorCode>("cli.already_running", {
          detail: `it runs from ${context.home}`,
          mend: "Restore into another folder with --home; then stop the one and start the other.",
        });
      }
      const passphrase = await readPassphrase(context, options.passphraseFile);
      const databaseUrl = context.env["DATABASE_URL"];
      const outcome = await restoreOffline({
        environment: context,
        source: resolve(context.cwd, backup),
        home: context.home,
        ...(passphrase ? { passphrase } : {}),
        ...(databaseUrl === undefined ? {} : { databaseUrl }),
      });
      context.output.result({ ...outcome, home: context.home }, restoredText(outcome, context.home));
    });
}

async function makeBackup(context: CliContext, options: BackupOptions): Promise<BackupSummary> {
  const api = await connect(context);
  const { region, owner } = options;
  const { job } = await api.json<{ job: string }>({ path: "/v1/backups", body: { region, owner } });
  using bar = progressBar(context.output, "backup");
  return await waitForJob<BackupSummary>(api, job, bar.update);
}

/** The only proof of a backup is a restore: into a folder of its own, with the database that `up` would use. */
async function tryRestore(
  context: CliContext,
  source: string,
  passphrase: Secret | undefined,
): Promise<RestoreOutcome> {
  const home = join(context.home, "backups", `.check-${process.pid}`);
  context.output.note("restoring it aside to verify it …");
  try {
    return await restoreOffline({
      environment: context,
      source,
      home,
      ...(passphrase ? { passphrase } : {}),
    });
  } finally {
    await removeHome(home);
  }
}

/** Renames where it can; onto another file system it copies, compares every digest, and only then removes. */
async function moveBackup(source: string, target: string): Promise<string> {
  await mkdir(dirname(target), { recursive: true });
  try {
    await rename(source, target);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EXDEV")) throw error;
    await cp(source, target, { recursive: true, errorOnExist: true, force: false });
    await verifyFiles(target, await readManifest(target));
    await rm(source, { recursive: true });
  }
  return target;
}

async function refuseExisting(target: string): Promise<void> {
  const found = await stat(target).catch(() => undefined);
  if (!found) return;
  throw new PortolanError("database.backup_exists", {
    detail: `${target} exists already`,
    mend: "Name a folder that does not exist.",
  });
}

function requireNothingLocal(context: CliContext, target: string | undefined, options: BackupOptions): void {
  if (context.env["PORTOLAN_URL"] === undefined) return; // `connect` says that nothing runs here.
  if (target === undefined && options.passphraseFile === undefined) return;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: "the server is elsewhere: its backup lies in its own state folder",
    mend: "Leave out the folder and --passphrase-file, or run portolan backup on the server's host.",
  });
}

async function readPassphrase(context: CliContext, file: string | undefined): Promise<Secret | undefined> {
  if (file === undefined) return undefined;
  const path = resolve(context.cwd, file);
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw badPassphrase(`${path} cannot be read`, cause);
  });
  if (text.trim() === "") throw badPassphrase(`${path} is empty`);
  return new Secret(text.trim());
}

function badPassphrase(detail: string, cause?: unknown): PortolanError {
  return new PortolanError<CliErrorCode>("cli.bad_file", {
    detail,
    mend: "Write the passphrase into a file that only you may read, and name it with --passphrase-file.",
    ...(isPortolanError(cause) || cause === undefined ? {} : { cause }),
  });
}

function madeText(made: BackupSummary): string {
  return [
    `backed up      ${made.rows} rows and ${made.files} files, ${sizeText(made.sizeBytes)}, in ${secondsText(made.durationMs)}`,
    `recovery point ${made.recoveryPoint}`,
  ].join("\n");
}

function restoredText(outcome: RestoreOutcome, home: string): string {
  return [
    `restored       ${outcome.rows} rows in ${outcome.tables} tables and ${outcome.files} files; ${outcome.jobs} unfinished jobs go on`,
    `recovery point ${outcome.recoveryPoint}; what came after it is not there`,
    timeText(outcome),
    `verified       ${ledgersText(outcome)}`,
    ...outcome.ledgers.flatMap((ledger) => ledger.keys.map((key) => `  signed by    ${key}`)),
    ...(outcome.retiredKeys.length === 0
      ? []
      : [
          `keys           ${outcome.retiredKeys.length} signing keys were not in the backup: retired, new ones are made`,
        ]),
    `next           portolan --home ${home} up --detach`,
  ].join("\n");
}

function timeText(outcome: RestoreOutcome): string {
  return `recovery time  ${secondsText(outcome.durationMs)}, verification included`;
}

function ledgersText(outcome: RestoreOutcome): string {
  return outcome.ledgers
    .map(
      (ledger) =>
        `${ledger.provedRows} ledger rows under ${ledger.checkpoints} signed checkpoints, ${ledger.unsignedRows} not yet signed`,
    )
    .join("; ");
}

function secondsText(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
