import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chown, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../apps/cli/src/supervisor/ports.ts";

const run = promisify(execFile);

/** Debian's package of a service, and the program that proves it is there. */
const services = {
  postgresql: { debian: ["postgresql"], program: "postgres" },
  redis: { debian: ["redis-server"], program: "redis-server" },
  prometheus: { debian: ["prometheus"], program: "prometheus" },
  alertmanager: { debian: ["prometheus-alertmanager"], program: "prometheus-alertmanager" },
  java: { debian: ["openjdk-17-jre-headless"], program: "java" },
  maven: { debian: ["maven"], program: "mvn" },
} as const satisfies Record<string, { readonly debian: readonly string[]; readonly program: string }>;

export type ServiceName = keyof typeof services;

const isCi = process.env["CI"] === "true";

async function debianPostgresFolders(): Promise<string[]> {
  const base = "/usr/lib/postgresql";
  const versions = await readdir(base).catch(() => []);
  return versions.sort((a, b) => Number(b) - Number(a)).map((version) => join(base, version, "bin"));
}

async function find(name: ServiceName): Promise<string | undefined> {
  const folders = [
    ...(name === "postgresql" ? await debianPostgresFolders() : []),
    ...(process.env["PATH"] ?? "").split(delimiter),
  ];
  for (const folder of folders) {
    const program = join(folder, services[name].program);
    if ((await stat(program).catch(() => undefined))?.isFile()) return program;
  }
  return undefined;
}

/** Test files run in parallel and apt has one lock: it waits for its turn. */
async function install(name: ServiceName): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const wait = ["-o", "DPkg::Lock::Timeout=240", "-q", "-y"];
  await run("apt-get", [...wait, "update"], { env, maxBuffer: 1 << 26 }).catch(() => undefined);
  await run("apt-get", [...wait, "--no-install-recommends", "install", ...services[name].debian], {
    env,
    maxBuffer: 1 << 26,
  });
}

/**
 * The service's program, installed from Debian when this is CI and we are root. Undefined on a laptop that does
 * not have it, for `describe.skipIf`; with CI=true a missing service throws, so that nothing is skipped unseen.
 */
export async function requireService(name: ServiceName): Promise<string | undefined> {
  const present = await find(name);
  if (present !== undefined || !isCi) return present;
  if (process.getuid?.() === 0) await install(name);
  const installed = await find(name);
  if (installed === undefined)
    throw new Error(
      `CI=true and ${name} is neither here nor installable (apt-get ${services[name].debian.join(" ")})`,
    );
  return installed;
}

export interface RunningService extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  /** Private to this run; gone when disposed. */
  readonly folder: string;
}

/** Services such as PostgreSQL refuse root: then `nobody` owns and runs it. */
async function unprivileged(): Promise<{ readonly uid: number; readonly gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const nobody = (await readFile("/etc/passwd", "utf8"))
    .split("\n")
    .find((line) => line.startsWith("nobody:"));
  const [, , uid, gid] = nobody?.split(":") ?? [];
  if (uid === undefined || gid === undefined) throw new Error("/etc/passwd names no nobody");
  return { uid: Number(uid), gid: Number(gid) };
}

async function ended(child: ChildProcess, withinMs: number): Promise<boolean> {
  if (child.exitCode !== null || child.signalCode !== null) return true;
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), withinMs);
    child.once("close", () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

async function answers(
  child: ChildProcess,
  port: number,
  withinMs: number,
  { said, isReady = () => true }: { readonly said: () => string; readonly isReady?: Start["isReady"] },
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}: ${said()}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = createConnection({ host: "127.0.0.1", port });
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
    if (open && isReady(said())) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`the service does not answer on port ${port}: ${said()}`);
}

interface Start {
  readonly program: string;
  /** Runs before the service, as its user; e.g. initdb. */
  readonly prepare?: (folder: string, as: { uid?: number; gid?: number }) => Promise<unknown>;
  readonly args: (folder: string, port: number) => readonly string[];
  /** Whether what it has printed says that it answers; an open port is enough without it. */
  readonly isReady?: (said: string) => boolean;
  /** SIGINT is PostgreSQL's fast shutdown. */
  readonly stopWith?: NodeJS.Signals;
}

/** Starts a service on a private port with a private folder; disposing stops it by its pid and removes the folder. */
export async function startService(start: Start): Promise<RunningService> {
  const folder = await mkdtemp(join(tmpdir(), "portolan-service-"));
  const user = await unprivileged();
  const as = user ?? {};
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  await start.prepare?.(folder, as);
  const port = await freePort();
  const child = spawn(start.program, [...start.args(folder, port)], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
    ...as,
  });
  let tail = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      tail = (tail + chunk.toString("utf8")).slice(-4_000);
    });
  }
  const stop = async () => {
    child.kill(start.stopWith ?? "SIGTERM");
    if (!(await ended(child, 10_000))) child.kill("SIGKILL");
    await ended(child, 5_000);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const { isReady } = start;
    await answers(child, port, 30_000, { said: () => tail, ...(isReady ? { isReady } : {}) });
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid ?? 0, port, folder, [Symbol.asyncDispose]: stop };
}

/** A PostgreSQL server of Debian's version. Connect with `postgresql://portolan@127.0.0.1:<port>/postgres`. */
export function startPostgres(postgres: string): Promise<RunningService> {
  const initdb = join(postgres, "..", "initdb");
  return startService({
    program: postgres,
    stopWith: "SIGINT",
    // It opens its port before it lets anybody in.
    isReady: (said) => said.includes("ready to accept connections"),
    prepare: (folder, as) =>
      run(initdb, ["-D", join(folder, "data"), "-U", "portolan", "-A", "trust", "-E", "UTF8", "--locale=C"], {
        ...as,
        cwd: folder,
      }),
    args: (folder, port) => ["-D", join(folder, "data"), "-p", String(port), "-h", "127.0.0.1", "-k", folder],
  });
}
