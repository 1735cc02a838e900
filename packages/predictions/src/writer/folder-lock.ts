import { linkSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { identityOf, isAlive, PortolanError } from "@portolan/kernel";

/** Held while a writer, or whoever seals a dead one, works in a log folder. */
export interface FolderLock {
  release(): void;
}

/**
 * Takes the folder's lock or throws at once. A lock of a process that is gone is taken over: its holder is known
 * by pid and start time, so a reused pid does not keep it.
 * @throws PortolanError `predictions.log_locked`
 */
export function lockFolder(folder: string): FolderLock {
  const lock = join(folder, "lock");
  const mine = join(folder, `lock.${process.pid}.${process.hrtime.bigint()}`);
  const { pid, started } = identityOf(process.pid);
  const content = JSON.stringify({ pid, started: started === "" ? null : started });
  writeFileSync(mine, content, { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      if (tryLink(mine, lock)) {
        return { release: () => rmSync(lock, { force: true }) };
      }
      const holder = readHolder(lock);
      if (holder?.alive) throw locked(folder, holder.pid);
      if (holder) removeStale(lock, holder.text, `${mine}.stale`);
    }
    throw locked(folder, undefined);
  } finally {
    rmSync(mine, { force: true });
  }
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** Two starters may both see a stale lock: what was moved away is compared, and a fresh lock is put back. */
function removeStale(lock: string, expected: string, aside: string): void {
  try {
    renameSync(lock, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  if (readFileSync(aside, "utf8") !== expected) tryLink(aside, lock);
  unlinkSync(aside);
}

function readHolder(lock: string): { pid: number; alive: boolean; text: string } | undefined {
  let text: string;
  try {
    text = readFileSync(lock, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  const match = /^\{"pid":(\d+),"started":(?:"(\d+)"|null)\}$/.exec(text);
  const pid = Number(match?.[1] ?? 0);
  return { pid, alive: pid > 0 && isAlive({ pid, started: match?.[2] ?? "" }), text };
}

export function codeOf(error: unknown): string | undefined {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return undefined;
}

function locked(folder: string, pid: number | undefined): PortolanError {
  return new PortolanError("predictions.log_locked", {
    detail: `${folder} is in use${pid === undefined ? "" : ` by process ${pid}`}`,
    mend: "Give each gateway process a log folder of its own, or stop the other one.",
  });
}
