import { link, open, readFile, stat, unlink, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { identityOf, isAlive, PortolanError, type ProcessIdentity, systemClock } from "@portolan/kernel";

export interface FolderLock {
  release(): Promise<void>;
}

/**
 * Takes a data folder for this process. Two openers of one PGlite folder lose rows silently, so the second
 * is refused. The lock is a file with the owner's pid and start time; the lock of a dead process is taken over.
 *
 * @throws PortolanError `database.locked` naming the other process.
 */
export async function lockFolder(folder: string): Promise<FolderLock> {
  const path = `${folder.replace(/\/+$/, "")}.lock`;
  // Linked into place complete: a lock that is still empty would look abandoned to a second starter.
  const mine = `${path}.${process.pid}`;
  await writeFile(mine, JSON.stringify(identityOf(process.pid)), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 10; attempt++) {
      try {
        await link(mine, path);
        return { release: () => unlink(path).catch(() => undefined) };
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
        await removeIfStale(path, folder);
      }
    }
    throw locked(folder, "another process");
  } finally {
    await unlink(mine).catch(() => undefined);
  }
}

async function removeIfStale(path: string, folder: string): Promise<void> {
  const owner = parseOwner(await readFile(path, "utf8").catch(() => ""));
  if (owner !== undefined && isAlive(owner)) throw locked(folder, `process ${owner.pid}`);
  // Takeovers come one at a time: without this, the slower of two starters would unlink the faster one's new lock.
  const takeover = `${path}.takeover`;
  const guard = await open(takeover, "wx", 0o600).catch(() => undefined);
  if (guard === undefined) {
    await forgetAbandonedTakeover(takeover);
    return;
  }
  try {
    const again = parseOwner(await readFile(path, "utf8").catch(() => ""));
    if (again === undefined || !isAlive(again)) await unlink(path).catch(() => undefined);
  } finally {
    await guard.close();
    await unlink(takeover).catch(() => undefined);
  }
}

/** A takeover lasts microseconds; one that is 10 s old belongs to a process that died in it. */
async function forgetAbandonedTakeover(takeover: string): Promise<void> {
  const age = await stat(takeover).then(
    (status) => systemClock.now() / 1000 - status.mtimeMs,
    () => 0,
  );
  if (age > 10_000) await unlink(takeover).catch(() => undefined);
  else await delay(50);
}

function parseOwner(text: string): ProcessIdentity | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !("pid" in value) || !("started" in value))
      return undefined;
    return typeof value.pid === "number" ? { pid: value.pid, started: String(value.started) } : undefined;
  } catch {
    return undefined;
  }
}

function locked(folder: string, who: string): PortolanError {
  return new PortolanError("database.locked", {
    detail: `${folder} is in use by ${who}`,
    mend: "Stop the other process (portolan down), or use another PORTOLAN_HOME.",
  });
}
