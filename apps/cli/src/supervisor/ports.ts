import { createServer } from "node:net";
import { PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";

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
