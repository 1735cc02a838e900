import { type ChildProcess, type StdioOptions, spawn, spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { compiledModulesFor } from "./compiled-modules.ts";
import {
  findWalls,
  systemPath,
  uidBehind,
  type View,
  type Walls,
  type WallWishes,
  walledCommand,
} from "./walls.ts";

export interface WalledNode extends WallWishes {
  /** The program: a file of this repository. */
  readonly entry: string;
  /** What it may read beside Node itself and the code of this installation; all of it exists. */
  readonly readable: readonly string[];
  readonly writable: readonly string[];
  /** Bytes that one process of it may map for writing: the kernel refuses more. */
  readonly dataBytes: number;
  /** Largest heap of JavaScript, in MiB. */
  readonly heapMegabytes: number;
  readonly stdio: StdioOptions;
  /** Variables that it gets; nothing else is in its environment but the search path of the system and where its modules lie compiled. */
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeFlags?: readonly string[];
  /** How far it steps back behind other processes, 0 to 19, with all its threads from their first moment on; default: as far as its parent. */
  readonly niceness?: number;
}

/**
 * Starts Node behind the best walls that the machine permits: hardly an environment, a session of its own, no descriptor but those in
 * `stdio`, the named files, no network, no core dump, no second program. A `SIGKILL` to it ends all that it started.
 */
export async function spawnWalledNode(child: WalledNode): Promise<ChildProcess> {
  const walls = await wallsFor(child);
  const modules = walls.level === "none" ? undefined : compiledModulesFor(child.entry, uidBehind(walls));
  const view = viewOf(child, modules);
  const program = [
    ...niceCommand(child.niceness),
    ...(hasPrlimit ? limitsOf(child) : []),
    nodeFile,
    ...flagsOf(child, view, modules),
    child.entry,
  ];
  const [command = "", ...args] = walledCommand(walls, view, program);
  return spawn(command, args, {
    cwd: view.cwd,
    detached: true,
    env: {
      PATH: systemPath,
      ...(modules === undefined ? {} : { NODE_COMPILE_CACHE: modules }),
      ...child.env,
    },
    serialization: "advanced",
    stdio: child.stdio,
  });
}

/** The last of all: it has processors only while nobody else wants them. */
export const leastPriority = 19;

/**
 * What runs the rest that far behind others. Not `setPriority` on what was started: that is the wall, whose child may be under way already, and on Linux it
 * moves one thread alone. Who is the last of all runs in the idle class besides, where Linux gives it: others need not wait for the end of its slice.
 */
export function niceCommand(niceness: number | undefined): string[] {
  if (niceness === undefined) return [];
  const nice = ["nice", "-n", String(niceness)];
  return niceness === leastPriority && hasIdleClass() ? [...idleClass, ...nice] : nice;
}

const idleClass = ["chrt", "--idle", "0"];
let foundIdleClass: boolean | undefined;

/** Whether a program starts in it: `chrt` may be absent, another one than util-linux's, or not allowed to. Found once. */
function hasIdleClass(): boolean {
  const [chrt = "", ...args] = idleClass;
  foundIdleClass ??=
    spawnSync(chrt, [...args, "true"], { env: { PATH: systemPath }, stdio: "ignore" }).status === 0;
  return foundIdleClass;
}

/** The walls that a child gets on this machine; found once, by running Node behind them until it can read its program. */
export function wallsFor({
  entry,
  keepsAccount,
}: Pick<WalledNode, "entry" | "keepsAccount">): Promise<Walls> {
  const view: View = { readable: codeOf(entry), writable: [], cwd: "/" };
  const probe = ["sh", "-c", 'test -r "$1" && exec "$2" --version', "sh", entry, nodeFile];
  return findWalls({ keepsAccount }, view, probe);
}

const hasPrlimit = ["/usr/bin/prlimit", "/bin/prlimit"].some((path) => existsSync(path));
const nodeFile = realpathSync(process.execPath);

function viewOf(child: WalledNode, modules: string | undefined): View {
  // Shown at the path that was given, links or not: the child knows it by that one.
  const writable = child.writable.map((path) => resolve(path));
  return {
    readable: [
      ...codeOf(child.entry),
      ...(modules === undefined ? [] : [modules]),
      ...child.readable.map((path) => resolve(path)),
    ],
    writable,
    cwd: writable[0] ?? "/",
  };
}

/** The installation's code: packages, apps and modules, and not the folder that holds them, where the state may lie too. */
function codeOf(entry: string): string[] {
  let root = dirname(entry);
  while (!existsSync(join(root, "node_modules/@portolan"))) {
    const above = dirname(root);
    if (above === root) return [nodeFile, dirname(entry)];
    root = above;
  }
  const parts = ["packages", "apps", "node_modules", "package.json"].map((name) => join(root, name));
  return [nodeFile, ...parts.filter((path) => existsSync(path))];
}

function limitsOf({ dataBytes }: WalledNode): string[] {
  // RLIMIT_DATA and not RLIMIT_AS: Node reserves address space far beyond what it uses.
  return ["prlimit", "--core=0", "--nofile=1024", `--data=${dataBytes}`, "--"];
}

/**
 * Node's own permissions as a second wall, for what runs as JavaScript: native code, and so the model's runtime, is not bound by
 * them. No child processes, no workers, no WASI; files only as named.
 */
function flagsOf(child: WalledNode, view: View, modules: string | undefined): string[] {
  return [
    `--max-old-space-size=${child.heapMegabytes}`,
    "--permission",
    "--allow-addons",
    "--disable-warning=SecurityWarning",
    ...[...view.readable, ...view.writable].map((path) => `--allow-fs-read=${path}`),
    ...view.writable.map((path) => `--allow-fs-write=${path}`),
    // Node uses no compile cache that it may not write as far as it knows; the walls know better.
    ...(modules === undefined ? [] : [`--allow-fs-write=${modules}`]),
    ...(child.nodeFlags ?? []),
  ];
}
