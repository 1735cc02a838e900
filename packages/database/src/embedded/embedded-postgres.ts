import { type ChildProcess, spawn } from "node:child_process";
import { chmod, chown, lstat, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { PortolanError } from "@portolan/kernel";
import { Client } from "pg";
import { type Binaries, prepareBinaries } from "./binaries.ts";
import { databaseName, prepareDataFolder } from "./data-folder.ts";
import { endOrphan } from "./orphan.ts";
import { chooseUser, type RunAs } from "./run-as.ts";

export interface EmbeddedPostgresOptions {
  /** State folder of the server, e.g. `$PORTOLAN_HOME/postgres`. */
  readonly folder: string;
  /** One line of the server's own log. */
  readonly log?: (line: string) => void;
  /** Instead of the defaults below, by PostgreSQL's names: tests whose data may be lost turn durability off. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface EmbeddedPostgres {
  /** For `openDatabase({ kind: "postgres", url })`; the server listens on its Unix socket only. */
  readonly url: string;
  readonly pid: number;
  /** Resolves when the server ends, however it does; `expected` after `stop`. Starting again is the caller's. */
  readonly exited: Promise<{ readonly expected: boolean; readonly detail: string }>;
  /** Rolls open transactions back, checkpoints and ends. */
  stop(): Promise<void>;
}

/** Together ten seconds, for the longest statement that a backend of a killed server finishes first. */
const memoryAttempts = 100;
const memoryRetryMs = 100;

/** A socket's path may have 107 bytes, on macOS 103, `/.s.PGSQL.5432` included. */
const longestSocketFolder = (process.platform === "darwin" ? 103 : 107) - "/.s.PGSQL.5432".length;

// Modest on purpose: it shares a laptop with the trainer. Durability settings are PostgreSQL's own, all on.
const settings: Readonly<Record<string, string>> = {
  listen_addresses: "",
  unix_socket_permissions: "0700",
  shared_buffers: "64MB",
  max_connections: "40",
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  wal_level: "minimal",
  max_wal_senders: "0",
  max_wal_size: "512MB",
  io_method: "sync",
  max_parallel_workers_per_gather: "0",
  jit: "off",
  timezone: "UTC",
  log_timezone: "UTC",
  log_line_prefix: "",
  cluster_name: "portolan",
  // After a crash the data folder is synced before recovery: file by file that took 2.4 s of 2.7 s, at once 0.1 s.
  ...(process.platform === "linux" ? { recovery_init_sync_method: "syncfs" } : {}),
};

/**
 * Starts PostgreSQL from npm's programs over a folder, and waits until it answers. As root it runs under another
 * account. After a crash it recovers from its write-ahead log; a server left over from a killed supervisor is
 * ended first.
 *
 * @throws PortolanError `database.no_binaries`, `database.no_user`, `database.engine_mismatch`,
 * `database.disk_full` or `database.start_failed` with the last words of the server.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  await mkdir(dirname(options.folder), { recursive: true });
  const user = await chooseUser(join(options.folder, "data"));
  const binaries = await prepareBinaries(`${options.folder}-lib`, user);
  const data = await prepareDataFolder(options.folder, binaries, user);
  await endOrphan(data);
  const sockets = await socketFolder(dirname(data), user);
  // The memory of a server killed a moment ago is freed when its last backend notices: a tenth of a second, or more
  // where one is at work.
  for (let attempt = 1; ; attempt++) {
    const server = launch(binaries, data, sockets, user, options);
    try {
      await untilAnswering(server, sockets);
      await ensureDatabase(sockets);
      return running(server, sockets);
    } catch (error) {
      server.child.kill("SIGINT");
      await server.silent;
      if (attempt < memoryAttempts && /still in use|starting up/.test(server.lastLines.join("\n")))
        await delay(memoryRetryMs);
      else throw startFault(error, server);
    }
  }
}

interface Server {
  readonly child: ChildProcess;
  readonly lastLines: string[];
  /** The server itself is gone; backends of one that was killed may live a moment longer. */
  readonly exited: Promise<string>;
  /** All that it wrote has been read, and its last backend is gone. */
  readonly silent: Promise<void>;
  readonly state: { stopping: boolean; ended: boolean };
}

function launch(
  binaries: Binaries,
  data: string,
  sockets: string,
  user: RunAs,
  options: EmbeddedPostgresOptions,
): Server {
  const all = { ...settings, ...options.settings, unix_socket_directories: sockets };
  const given = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const child = spawn(binaries.postgres, ["-D", data, ...given], {
    cwd: "/",
    env: { ...binaries.env },
    stdio: ["ignore", "pipe", "pipe"],
    // A session of its own: Ctrl-C in the terminal is for Portolan, which stops its server last.
    detached: true,
    ...(user.switched ? { uid: user.uid, gid: user.gid } : {}),
  });
  const lastLines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      lastLines.push(line);
      if (lastLines.length > 20) lastLines.shift();
      options.log?.(line);
    });
  }
  const state = { stopping: false, ended: false };
  const exited = new Promise<string>((resolve) => {
    const end = (detail: string): void => {
      state.ended = true;
      resolve(detail);
    };
    child.once("error", (error) => end(error.message));
    child.once("exit", (code, signal) => end(signal === null ? `exit status ${code}` : `signal ${signal}`));
  });
  const silent = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("close", () => resolve());
  });
  return { child, lastLines, exited, silent, state };
}

async function untilAnswering(server: Server, sockets: string): Promise<void> {
  // Recovery after a crash may take long with much log to replay; a server that ends is noticed at once.
  for (let waitedMs = 0; waitedMs < 120_000; waitedMs += 50) {
    if (server.state.ended) throw new Error("the server ended while starting");
    const client = new Client({ connectionString: urlOf(sockets, "postgres") });
    try {
      await client.connect();
      return;
    } catch {
      await delay(50);
    } finally {
      await client.end().catch(() => undefined);
    }
  }
  throw new Error("the server did not answer within two minutes");
}

async function ensureDatabase(sockets: string): Promise<void> {
  const client = new Client({ connectionString: urlOf(sockets, "postgres") });
  await client.connect();
  try {
    const known = await client.query("select 1 from pg_database where datname = $1", [databaseName]);
    if (known.rowCount === 0) await client.query(`create database ${databaseName}`);
  } finally {
    await client.end();
  }
}

function running(server: Server, sockets: string): EmbeddedPostgres {
  const exited = server.exited.then(async (detail) => {
    await rm(sockets, { recursive: true, force: true });
    return { expected: server.state.stopping, detail };
  });
  return {
    url: urlOf(sockets),
    pid: server.child.pid ?? 0,
    exited,
    stop: async () => {
      server.state.stopping = true;
      server.child.kill("SIGINT");
      const late = setTimeout(() => server.child.kill("SIGQUIT"), 20_000);
      await exited;
      clearTimeout(late);
    },
  };
}

/** Beside the data when the path is short enough, else in /tmp under an unguessable name that stays. */
async function socketFolder(home: string, user: RunAs): Promise<string> {
  const beside = join(home, "socket");
  const short = Buffer.byteLength(beside) <= longestSocketFolder;
  const folder = short ? beside : await shortFolder(join(home, "socket-folder"), user);
  if (short) {
    await rm(beside, { recursive: true, force: true });
    await mkdir(beside, { mode: 0o700 });
  }
  await chmod(folder, 0o700);
  if (user.switched) await chown(folder, user.uid, user.gid);
  return folder;
}

/** Clients keep the address over a restart of the server, so the folder is noted; one that is not ours is not used. */
async function shortFolder(note: string, user: RunAs): Promise<string> {
  const known = (await readFile(note, "utf8").catch(() => "")).trim();
  const found = known === "" ? undefined : await lstat(known).catch(() => undefined);
  const owner = user.switched ? user.uid : process.getuid?.();
  if (found?.isDirectory() && found.uid === owner) return known;
  const folder = await mkdtemp("/tmp/portolan-");
  await writeFile(note, folder, { mode: 0o600 });
  return folder;
}

function urlOf(sockets: string, name: string = databaseName): string {
  return `postgresql://${databaseName}@localhost/${name}?host=${encodeURIComponent(sockets)}`;
}

function startFault(error: unknown, server: Server): PortolanError {
  const words = server.lastLines.filter((line) => /FATAL|PANIC|ERROR|DETAIL/.test(line)).join(" ");
  if (/No space left on device/.test(words)) {
    return new PortolanError("database.disk_full", {
      detail: `PostgreSQL cannot start: ${words}`,
      mend: "Free space on the disk of PORTOLAN_HOME, then start again; committed data is safe.",
      cause: error,
    });
  }
  return new PortolanError("database.start_failed", {
    detail: `PostgreSQL did not start: ${words || server.lastLines.at(-1) || "it said nothing"}`,
    mend: "See the server's log; `portolan doctor` checks the folder and its owner.",
    cause: error,
  });
}
