import { lstat, readFile, stat } from "node:fs/promises";
import { userInfo } from "node:os";
import { dirname } from "node:path";
import { PortolanError } from "@portolan/kernel";

/** The operating-system user that PostgreSQL runs as. It refuses to run as root. */
export interface RunAs {
  readonly uid: number;
  readonly gid: number;
  /** True when we are root and must switch; then files have to be handed over too. */
  readonly switched: boolean;
}

interface Account extends RunAs {
  readonly name: string;
}

/**
 * Ourselves, when we are not root. As root: the owner of the data folder when it exists already, else `nobody`,
 * else the first unprivileged account (PostgreSQL looks its user up, so a uid without an account will not do).
 */
export async function chooseUser(dataFolder: string): Promise<RunAs> {
  const ownUid = process.getuid?.() ?? 0;
  const ownGid = process.getgid?.() ?? 0;
  if (process.getuid === undefined || ownUid !== 0) {
    requireAccount(ownUid);
    return { uid: ownUid, gid: ownGid, switched: false };
  }
  const accounts = parseAccounts(await readFile("/etc/passwd", "utf8").catch(() => ""));
  const owner = await lstat(dataFolder).catch(() => undefined);
  const found =
    accounts.find((account) => account.uid !== 0 && account.uid === owner?.uid) ??
    accounts.find((account) => account.name === "nobody") ??
    accounts.find((account) => account.uid !== 0);
  if (found === undefined) {
    throw new PortolanError("database.no_user", {
      detail: "PostgreSQL does not run as root, and /etc/passwd names no other account",
      mend: "Start Portolan as an ordinary user, or set DATABASE_URL to a server.",
    });
  }
  return { uid: found.uid, gid: found.gid, switched: true };
}

/** Containers may run under a uid that no account has; PostgreSQL, which looks its user up, refuses that. */
function requireAccount(uid: number): void {
  try {
    userInfo();
  } catch (cause) {
    throw new PortolanError("database.no_user", {
      detail: `PostgreSQL looks its user up, and uid ${uid} has no account on this machine`,
      mend: "Give the uid an account (a line in /etc/passwd), or set DATABASE_URL to a server.",
      cause,
    });
  }
}

/** Name of the account that this process runs under, as the server will see its peer. */
export function ownAccountName(): string {
  return userInfo().username;
}

/** True when a user without privileges could go down to this path and read it. */
export async function isReachable(path: string, user: RunAs): Promise<boolean> {
  if (!user.switched) return true;
  for (let current = path; ; current = dirname(current)) {
    const status = await stat(current).catch(() => undefined);
    if (status === undefined) return false;
    const bits =
      status.uid === user.uid ? status.mode >> 6 : status.gid === user.gid ? status.mode >> 3 : status.mode;
    if ((bits & 0o1) === 0) return false;
    if (current === dirname(current)) return true;
  }
}

function parseAccounts(text: string): Account[] {
  return text.split("\n").flatMap((line) => {
    const [name, , uid, gid] = line.split(":");
    const account = { name: name ?? "", uid: Number(uid), gid: Number(gid), switched: true };
    return name && Number.isInteger(account.uid) && Number.isInteger(account.gid) ? [account] : [];
  });
}
