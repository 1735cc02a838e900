import { chmod, mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf, PortolanError, systemClock } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";
import type { OidcClient } from "./provider.ts";
import type { Tokens } from "./tokens.ts";

/** How somebody signs in to a server, and what they are signed in with. */
export interface Session extends OidcClient {
  readonly issuer: string;
  /** Absent: signed out. The ID token is checked and not kept. */
  readonly tokens?: Omit<Tokens, "idToken">;
}

/** All sessions of somebody on this machine, by the server's address. */
export interface Sessions {
  readonly version: 1;
  /** The server that was signed in to last. */
  readonly current?: string;
  readonly servers: Readonly<Record<string, Session>>;
}

type Environment = Readonly<Record<string, string | undefined>>;
const none: Sessions = { version: 1, servers: {} };
/** Longer than a provider is waited for, twice: for its document, and for tokens. */
const lockedMicros = 90_000_000;
const lockWaitMs = 100_000;

/** `sessions.json` in the user's configuration, by the XDG rules. */
export function sessionsFile({ XDG_CONFIG_HOME: config, HOME: home }: Environment): string {
  const folder = config !== undefined && config !== "" ? config : join(home || homedir(), ".config");
  return join(folder, "portolan", "sessions.json");
}

/** An address as sessions name it. */
export function serverName(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url;
}

/** @throws PortolanError `cli.bad_file` for a file that others may read, or that is none of these */
export async function readSessions(env: Environment): Promise<Sessions> {
  const file = sessionsFile(env);
  let text: string;
  try {
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0 && process.platform !== "win32")
      throw badFile(file, "others may read it", `Run: chmod 600 ${file}; or sign in anew after removing it.`);
    text = await readFile(file, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") return none;
    throw cause instanceof PortolanError
      ? cause
      : badFile(file, messageOf(cause), "Make it readable for yourself.", cause);
  }
  const found = parse(text);
  if (!found) throw badFile(file, "it holds no sessions", "Remove it, and sign in anew: portolan login");
  return found;
}

/** Changes the file as a whole, one process at a time; it is the owner's alone (0600). */
export async function changeSessions(
  env: Environment,
  change: (known: Sessions) => Promise<Sessions> | Sessions,
): Promise<Sessions> {
  const file = sessionsFile(env);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await using _lock = await lock(`${file}.lock`);
  const changed = await change(await readSessions(env));
  const part = `${file}.${process.pid}`;
  await writeFile(part, `${JSON.stringify(changed, null, 2)}\n`, { mode: 0o600 });
  await chmod(part, 0o600);
  await rename(part, file);
  return changed;
}

/** A provider that gives a new refresh token at each use takes a second use of an old one for theft. */
async function lock(file: string): Promise<AsyncDisposable> {
  for (let waitedMs = 0; waitedMs < lockWaitMs; waitedMs += 50) {
    try {
      await (await open(file, "wx", 0o600)).close();
      return { [Symbol.asyncDispose]: () => rm(file, { force: true }) };
    } catch (cause) {
      if (!(cause instanceof Error && "code" in cause && cause.code === "EEXIST"))
        throw badFile(file, messageOf(cause), "Make its folder writable for yourself.", cause);
    }
    const made = await stat(file).catch(() => undefined);
    // Whoever held it was killed.
    if (made && systemClock.now() - made.mtimeMs * 1000 > lockedMicros) await rm(file, { force: true });
    else await sleep(50);
  }
  throw badFile(file, "another process holds it", "Try again; remove it where no other one runs.");
}

function parse(text: string): Sessions | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isOurs =
      typeof value === "object" &&
      value !== null &&
      "version" in value &&
      value.version === 1 &&
      "servers" in value &&
      typeof value.servers === "object" &&
      value.servers !== null;
    return isOurs ? (value as Sessions) : undefined;
  } catch {
    return undefined;
  }
}

function badFile(file: string, why: string, mend: string, cause?: unknown): PortolanError<CliErrorCode> {
  return new PortolanError("cli.bad_file", {
    detail: `${file} cannot be used: ${why}`,
    mend,
    ...(cause === undefined ? {} : { cause }),
  });
}
