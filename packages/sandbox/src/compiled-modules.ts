import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { getCompileCacheDir } from "node:module";
import { basename, dirname, join } from "node:path";

const compileMs = 30_000;
const tried = new Set<string>();

/**
 * The folder of Node's compile cache that a child of that account may read: its program's modules, as this process compiled them. `undefined` where this process
 * keeps none, and while they are being compiled: the first child waits for nothing. A module that has changed since is compiled by every child itself.
 *
 * @param entry the program: run once without anybody to talk to, it loads its modules and ends
 */
export function compiledModulesFor(entry: string, uid: number): string | undefined {
  const own = getCompileCacheDir();
  if (own === undefined) return undefined;
  const age = createHash("sha256")
    .update(`${entry} ${statSync(entry).mtimeMs}`)
    .digest("hex")
    .slice(0, 12);
  const folder = join(dirname(own), "walled", `${basename(entry, ".ts")}-${age}`);
  const compiled = join(folder, named(basename(own), uid));
  if (existsSync(compiled)) return folder;
  if (!tried.has(compiled)) {
    tried.add(compiled);
    compile(entry, compiled);
  }
  return undefined;
}

/** Node names the folder by version, architecture, settings and account: `v24.21.0-x64-964aae3f-1000`. */
function named(own: string, uid: number): string {
  return own.replace(/-\d+$/, `-${uid}`);
}

/** Outside the walls: it runs nothing but our own code, on nothing. What comes of it appears at once and whole. */
function compile(entry: string, compiled: string): void {
  const all = dirname(dirname(compiled));
  mkdirSync(all, { recursive: true, mode: 0o755 });
  const draft = mkdtempSync(join(all, ".compiling-"));
  const child = spawn(process.execPath, [entry], {
    env: { NODE_COMPILE_CACHE: draft },
    stdio: "ignore",
    timeout: compileMs,
    killSignal: "SIGKILL",
  });
  child.unref();
  child.once("error", () => rmSync(draft, { recursive: true, force: true }));
  child.once("exit", () => {
    try {
      publish(draft, compiled);
    } catch {
      // Another process was faster, or the disk is full: children compile for themselves, as before.
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
  });
}

/** Node keeps its files to the account that wrote them; these are ours to read for every child, and nobody else's to write. */
function publish(draft: string, compiled: string): void {
  const [made] = readdirSync(draft);
  if (made === undefined) return;
  const folder = join(draft, made);
  for (const name of readdirSync(folder)) chmodSync(join(folder, name), 0o644);
  chmodSync(folder, 0o755);
  mkdirSync(dirname(compiled), { recursive: true, mode: 0o755 });
  renameSync(folder, compiled);
}
