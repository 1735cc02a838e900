import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { digestHex, digestJson } from "@portolan/kernel";
import type { IsolationLevel } from "./isolation-level.ts";

export interface Isolation {
  readonly level: IsolationLevel;
  /** Whether it runs under an account of its own: only root can give it one. */
  readonly ownAccount: boolean;
  readonly networkBlocked: boolean;
}

/** What a trainer may see, at the paths that these have outside. */
export interface View {
  /** The run's folder; it exists. */
  readonly folder: string;
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  /** Writable, and seen as `/tmp` too. */
  readonly scratch: string;
  /** Kept out of sight also where it lies below something readable. */
  readonly hidden: readonly string[];
}

/** systemd's table of uids calls 60578 to 61183 unused, so that no person, service or container has one of them. */
const firstUid = 60_600;
const uids = 500;

/** The account that a run's folder belongs to: the same at each start, and another one for most other runs. */
export function uidOf(folder: string): number {
  return firstUid + (Number.parseInt(digestHex(digestJson(folder)).slice(0, 8), 16) % uids);
}

const enterJail = fileURLToPath(new URL("./enter-jail.sh", import.meta.url));

/** The command that runs `program` under an isolation; processes are replaced by it where nothing has to wait for it. */
export function isolatedCommand(isolation: Isolation, view: View, program: readonly string[]): string[] {
  const { ownAccount, level, networkBlocked } = isolation;
  const uid = uidOf(view.folder);
  if (level === "namespaces") return jailCommand(view, ownAccount ? String(uid) : "-", program);
  const network = networkBlocked ? ["unshare", "-r", "-n"] : [];
  return [...(ownAccount ? switchTo(uid) : []), ...network, ...program];
}

function jailCommand(view: View, uid: string, program: readonly string[]): string[] {
  const below = (path: string) => view.hidden.some((hidden) => path.startsWith(`${hidden}/`));
  // A state folder below /tmp would be covered by it; TMPDIR names the scratch folder in any case.
  const coversTmp = [view.folder, ...view.readable].every((path) => !path.startsWith("/tmp/"));
  const shown = (paths: readonly string[]) => paths.flatMap((path) => ["ro", path]);
  const user = uid === "-" ? ["--user", "--map-root-user"] : [];
  const spaces = ["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"];
  const jail = ["sh", enterJail, uid, join(view.folder, "jail"), view.folder];
  const places = [
    // First what may hold a hidden folder, then the cover, then what lies below it.
    ...shown(view.readable.filter((path) => !below(path))),
    ...view.hidden.flatMap((path) => ["hide", path]),
    ...shown(view.readable.filter(below)),
    ...view.writable.flatMap((path) => ["rw", path]),
    ...(coversTmp ? ["tmp", view.scratch] : []),
  ];
  // The first process of a process table gets no signal that it does not catch: it must not be the trainer.
  const first = ["sh", "-c", firstProcess, "sh", ...program];
  return ["unshare", ...user, ...spaces, ...jail, ...places, "--", ...first];
}

const firstProcess =
  'trap : TERM; "$@" & child=$!; wait $child; code=$?; while kill -0 $child 2>/dev/null; do wait $child; code=$?; done; exit $code';

function switchTo(uid: number): string[] {
  const account = ["--reuid", String(uid), "--regid", String(uid), "--clear-groups"];
  return ["setpriv", ...account, "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"];
}

let found: Promise<Isolation> | undefined;

/** The best isolation that this machine permits, by trying it: what a kernel permits no file tells. Tried once per process. */
export function findIsolation(): Promise<Isolation> {
  found ??= tryIsolations(process.getuid?.() === 0);
  return found;
}

export async function tryIsolations(isRoot: boolean): Promise<Isolation> {
  const folder = await mkdtemp(join(tmpdir(), "portolan-isolation-"));
  try {
    const scratch = join(folder, "scratch");
    for (const path of [scratch, join(folder, "jail")]) await mkdir(path);
    const view: View = { folder, readable: [], writable: [scratch], scratch, hidden: [] };
    const works = async (isolation: Isolation): Promise<boolean> => {
      const [command = "", ...args] = isolatedCommand(isolation, view, ["sh", "-c", "exit 0"]);
      return succeeds(command, args);
    };
    const candidates: Isolation[] = [
      ...(isRoot ? [{ level: "namespaces" as const, ownAccount: true, networkBlocked: true }] : []),
      ...(isRoot ? [] : [{ level: "namespaces" as const, ownAccount: false, networkBlocked: true }]),
      ...(isRoot ? [{ level: "account" as const, ownAccount: true, networkBlocked: true }] : []),
      ...(isRoot ? [{ level: "account" as const, ownAccount: true, networkBlocked: false }] : []),
      { level: "none", ownAccount: false, networkBlocked: true },
    ];
    for (const isolation of candidates) if (await works(isolation)) return isolation;
    return { level: "none", ownAccount: false, networkBlocked: false };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(command, [...args], { stdio: "ignore", env: { PATH: systemPath }, cwd: "/" });
    child.once("error", () => resolve(false));
    child.once("close", (code) => resolve(code === 0));
  });
}

export const systemPath = "/usr/sbin:/usr/bin:/sbin:/bin";
