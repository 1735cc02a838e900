import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../apps/cli/src/supervisor/ports.ts";

/** A real Redis that forgets everything when it dies, on a port that it keeps over its deaths. */
export class RedisServer implements AsyncDisposable {
  readonly port: number;
  readonly folder = mkdtempSync(join(tmpdir(), "portolan-redis-"));
  readonly #program: string;
  readonly #more: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(program: string, port: number, more: readonly string[]) {
    this.#program = program;
    this.port = port;
    this.#more = more;
  }

  /** @param args more arguments of `redis-server`; with `--tls-port`, `port` is that one */
  static async start(
    program: string,
    args: (port: number) => readonly string[] = (port) => ["--port", String(port)],
  ): Promise<RedisServer> {
    const port = await freePort();
    const server = new RedisServer(program, port, args(port));
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const fixed = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", this.folder];
    this.#child = spawn(this.#program, [...fixed, ...this.#more], { stdio: "ignore" });
    for (let i = 0; i < 400; i++) {
      const open = await new Promise<boolean>((resolve) => {
        const socket = createConnection({ host: "127.0.0.1", port: this.port });
        socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
        socket.once("connect", () => socket.destroy());
      });
      if (open) return;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error("Redis does not answer");
  }

  /** 0 while it is dead. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
