import { createServer } from "node:net";
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
