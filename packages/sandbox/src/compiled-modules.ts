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
const draftPrefix = ".compiling-";
/** A program's modules are compiled anew after so long. */
const keptMs = 30 * 24 * 3600 * 1000;
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

/**
 * Outside the walls: it runs nothing but our own code, on nothing. What comes of it appears at once and whole. Where nothing can be
 * written children compile for themselves.
 */
function compile(entry: string, compiled: string): void {
  const all = dirname(dirname(compiled));
  let draft: string;
  try {
    mkdirSync(all, { recursive: true, mode: 0o755 });
    removeOld(all);
    draft = mkdtempSync(join(all, draftPrefix));
  } catch {
    return;
  }
  const child = spawn(process.execPath, [entry], {
    env: { NODE_COMPILE_CACHE: draft },
    stdio: "ignore",
    timeout: compileMs,
    killSignal: "SIGKILL",
  });
  child.unref();
  child.once("error", () => remove(draft));
  child.once("exit", () => {
    try {
      publish(draft, compiled);
    } catch {
      // Another process was faster, or the disk is full.
    }
    remove(draft);
  });
}

function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // The next process that compiles tries again.
  }
}

/** Of processes that ended while they compiled, and of programs as they were before. */
function removeOld(all: string): void {
  const now = performance.timeOrigin + performance.now();
  for (const name of readdirSync(all)) {
    const ageMs = now - statSync(join(all, name)).mtimeMs;
    if (ageMs > (name.startsWith(draftPrefix) ? 10 * compileMs : keptMs)) remove(join(all, name));
  }
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
