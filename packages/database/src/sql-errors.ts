import { messageOf, PortolanError } from "@portolan/kernel";

const unreachableStates = new Set(["57P01", "57P02", "57P03", "08000", "08001", "08003", "08006"]);
/** A number out of range, and texts that PostgreSQL cannot hold: what a caller sent, past every check of its form. */
const unstorableStates = new Set(["22003", "22021", "22P05"]);
/** node-postgres says these without a code. */
const lostConnection =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed)/;
const networkCodes = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOENT",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EACCES",
]);

/** SQLSTATE of a driver error, looked for along the causes. */
export function sqlStateOf(error: unknown): string | undefined {
  for (let current = error, depth = 0; current instanceof Error && depth < 5; depth++) {
    if ("code" in current && typeof current.code === "string" && /^[0-9A-Z]{5}$/.test(current.code)) {
      return current.code;
    }
    current = current.cause;
  }
  return undefined;
}

/** True when the transaction may simply be run again: serialization failure or deadlock. */
export function isRetryable(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state === "40001" || state === "40P01";
}

/** Names the faults that an operator can mend; everything else stays as it was thrown. */
export function asDatabaseError(error: unknown): unknown {
  if (error instanceof PortolanError) return error;
  const state = sqlStateOf(error);
  if (state === "53100") {
    return new PortolanError("database.disk_full", {
      detail: messageOf(error),
      mend: "Free space on the database's disk; nothing of this change was kept.",
      cause: error,
    });
  }
  if (state !== undefined && unstorableStates.has(state)) {
    return new PortolanError("kernel.bad_request", {
      detail: "a value of the request is outside of what can be stored",
      mend: "Send smaller numbers, and texts without NUL characters.",
      cause: error,
    });
  }
  if (isUnreachable(error, state)) {
    return new PortolanError("database.unreachable", {
      detail: messageOf(error),
      mend: "Check that the database is up; the change was not acknowledged.",
      cause: error,
    });
  }
  return error;
}

function isUnreachable(error: unknown, state: string | undefined): boolean {
  if (state !== undefined && unreachableStates.has(state)) return true;
  if (!(error instanceof Error)) return false;
  if ("code" in error && typeof error.code === "string" && networkCodes.has(error.code)) return true;
  return lostConnection.test(error.message);
}
