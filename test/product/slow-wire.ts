import { createConnection, createServer, type Server, type Socket } from "node:net";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";

/** A wire to a server on this machine, on which answers take as long as is told. */
export class SlowWire implements AsyncDisposable {
  delayMs = 0;
  readonly port: number;
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  private constructor(port: number, to: number) {
    this.port = port;
    this.#server = createServer({ noDelay: true }, (near) => {
      const far = createConnection({ port: to, host: "127.0.0.1", noDelay: true });
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#open.add(one);
        one.on("error", () => other.destroy()).on("close", () => other.destroy());
      }
      near.on("data", (bytes) => far.write(bytes));
      far.on("data", (bytes) => setTimeout(() => near.destroyed || near.write(bytes), this.delayMs));
    });
  }

  static async to(port: number): Promise<SlowWire> {
    const wire = new SlowWire(await freePort(), port);
    await new Promise<void>((resolve) => wire.#server.listen(wire.port, "127.0.0.1", resolve));
    return wire;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
