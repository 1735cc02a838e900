import { readFileSync } from "node:fs";

/** A process, told from a later one with the same pid by its start time. */
export interface ProcessIdentity {
  readonly pid: number;
  /** In clock ticks since boot; empty where there is no /proc, and then the pid alone tells. */
  readonly started: string;
}

export function identityOf(pid: number): ProcessIdentity {
  return { pid, started: statOf(pid)?.started ?? "" };
}

/** False for a zombie: killed, and whoever should look at it has not yet; it holds nothing any more. */
export function isAlive(identity: ProcessIdentity): boolean {
  try {
    process.kill(identity.pid, 0);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return false;
  }
  const stat = statOf(identity.pid);
  if (stat === undefined) return process.platform !== "linux";
  return !"ZX".includes(stat.state) && (identity.started === "" || stat.started === identity.started);
}

/** Fields 3 and 22 of /proc/<pid>/stat. */
function statOf(pid: number): { readonly state: string; readonly started: string } | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", started: fields[19] ?? "" };
  } catch {
    return undefined;
  }
}
