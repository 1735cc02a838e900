/**
 * Exits 0 when node_modules already holds what package-lock.json names, so that the launcher adopts what a
 * contributor's `npm install` left instead of installing everything again. Runs before anything is
 * installed: only Node's own modules here.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly optional?: boolean;
}

interface Lock {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

const root = resolve(import.meta.dirname, "..");

function readLock(path: string): Lock | undefined {
  try {
    return JSON.parse(readFileSync(resolve(root, path), "utf8")) as Lock;
  } catch {
    return undefined;
  }
}

/** npm keeps a lock of what it really installed; packages for other platforms are missing there. */
function samePackages(): boolean {
  const wanted = readLock("package-lock.json");
  const present = readLock("node_modules/.package-lock.json");
  if (wanted === undefined || present === undefined) return false;
  for (const [path, locked] of Object.entries(wanted.packages)) {
    if (!path.startsWith("node_modules/") && !path.includes("/node_modules/")) continue;
    const found = present.packages[path];
    if (found === undefined ? !locked.optional : found.integrity !== locked.integrity) return false;
  }
  // Beyond the lock only binaries for this platform, which the registry of whoever wrote the lock did not carry.
  return Object.entries(present.packages).every(
    ([path, found]) => path in wanted.packages || found.optional === true,
  );
}

process.exit(samePackages() ? 0 : 1);
