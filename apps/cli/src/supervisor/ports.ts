import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";

/** @throws PortolanError `cli.bad_usage` */
export function parsePort(setting: string, text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `${setting} "${text.slice(0, 20)}" is not a port`,
    mend: "Give a whole number from 1 to 65535.",
  });
}

/** Below those that Linux and macOS give to outgoing connections, and above what services are usually configured with. */
const firstOwnPort = 20_000;
const ownPorts = 12_000;

/** Ports that this process has chosen, with what keeps other processes from choosing them. */
const chosen = new Map<number, Server | undefined>();

/**
 * A port that nobody has now, and that neither an outgoing connection nor another caller of this function gets in the moment before it is
 * listened on: it stays this process's until it ends.
 */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = firstOwnPort + randomInt(ownPorts);
    if (chosen.has(port)) continue;
    chosen.set(port, undefined);
    if ((await isReserved(port)) && (await isFree(host, port))) return port;
    chosen.get(port)?.close();
    chosen.delete(port);
  }
  throw new PortolanError("kernel.internal", {
    detail: `no port of ${host} from ${firstOwnPort} on is free`,
  });
}

/** By an address of the kernel's that no file holds and that goes with its process; other systems than Linux have none. */
async function isReserved(port: number): Promise<boolean> {
  if (process.platform !== "linux") return true;
  const holder = createServer().unref();
  try {
    await once(holder.listen(`\0portolan-port-${port}`), "listening");
  } catch {
    return false;
  }
  chosen.set(port, holder);
  return true;
}

async function isFree(host: string, port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, host), "listening");
    return true;
  } catch {
    return false;
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

const mostGateways = 64;

/** @throws PortolanError `cli.bad_usage` */
export function parseGateways(text: string): number {
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  if (count > 1 && process.platform !== "linux")
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: `--gateways ${count}: only Linux hands the connections of one port to several processes`,
      mend: "Run one gateway here, or several behind a load balancer.",
    });
  if (count >= 1 && count <= mostGateways) return count;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `--gateways "${text.slice(0, 20)}" is not a number of processes`,
    mend: `Give a whole number from 1 to ${mostGateways}; more than the machine has processors gain nothing.`,
  });
}

/** @throws PortolanError `cli.port_in_use` naming the setting that chooses another port. */
export async function requireFreePort(host: string, port: number, setting: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const server = createServer();
    server.once("error", (cause) =>
      reject(
        new PortolanError<CliErrorCode>("cli.port_in_use", {
          detail: `port ${port} on ${host} is taken by another program`,
          mend: `Stop that program, or choose another port with ${setting}.`,
          cause,
        }),
      ),
    );
    server.listen(port, host, () => server.close(() => resolve()));
  });
}
