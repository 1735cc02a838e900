import { chmod, chown, copyFile, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Secret } from "@portolan/kernel";

/** Where a trainer's tracking calls are taken, and by what it is known there. */
export interface TrackingAddress {
  readonly runId: string;
  /** A Unix socket directly in the run's folder that the server listens on. */
  readonly socket: string;
  readonly token: Secret;
  /**
   * The Python that the trainer's environment was built from. It raises the loopback device outside the walls, so that it must not be
   * the environment's own: any package may have replaced that one.
   */
  readonly python: string;
}

const program = fileURLToPath(new URL("./forward_tracking.py", import.meta.url));

/** Name of the socket in a run's folder. */
export const trackingSocketName = "tracking.sock";

/** Lays the forwarder into the run's folder, where every account of a trainer reaches it, and gives the socket to that account. */
export async function prepareAddress(
  folder: string,
  address: TrackingAddress,
  uid: number | undefined,
): Promise<void> {
  const forwarder = forwarderIn(folder);
  await rm(forwarder, { force: true });
  await copyFile(program, forwarder);
  await chmod(forwarder, 0o444);
  if (uid !== undefined) await chown(address.socket, uid, uid);
  await chmod(address.socket, 0o600);
}

/** What of it the trainer has to see. */
export function visibleOf(folder: string, { socket }: TrackingAddress): string[] {
  return [forwarderIn(folder), socket];
}

/**
 * The trainer's command behind the forwarder, which finds a free port, states it as `MLFLOW_TRACKING_URI` and becomes the trainer. No
 * site packages: what is installed for the trainer has no part in it. The socket is named by its file alone, since the kernel takes
 * short paths only, and the run's folder is where it starts.
 */
export function forwarded(folder: string, address: TrackingAddress, command: readonly string[]): string[] {
  const [interpreter = "python3"] = command;
  return [interpreter, "-I", "-S", forwarderIn(folder), basename(address.socket), ...command];
}

/** MLflow's own variables; the address itself is known once the forwarder listens. Not in `argv`, which others can read. */
export function addressEnvironment({ runId, token }: TrackingAddress): Record<string, string> {
  return { MLFLOW_RUN_ID: runId, MLFLOW_TRACKING_TOKEN: token.reveal() };
}

function forwarderIn(folder: string): string {
  return join(folder, "forward_tracking.py");
}
