import type { ChildProcess } from "node:child_process";

/** A gateway process that a test has started. */
export class TestGateway {
  readonly child: ChildProcess;
  readonly url: string;
  /** `host:port` of the gRPC listener. */
  readonly grpcAddress: string;
  readonly #apiKey: string;
  output = "";

  private constructor(child: ChildProcess, port: number, grpcPort: number, apiKey: string) {
    this.child = child;
    this.url = `http://127.0.0.1:${port}`;
    this.grpcAddress = `127.0.0.1:${grpcPort}`;
    this.#apiKey = apiKey;
  }

  static async await(child: ChildProcess, apiKey: string): Promise<TestGateway> {
    let output = "";
    const ports = await new Promise<[number, number]>((resolve, reject) => {
      const read = (chunk: Buffer): void => {
        output += chunk.toString();
        const match = /"port":(\d+),"grpcPort":(\d+).*"event":"gateway.started"/.exec(output);
        if (match) resolve([Number(match[1]), Number(match[2])]);
      };
      child.stdout?.on("data", read);
      child.stderr?.on("data", read);
      child.once("exit", (code) => reject(new Error(`the gateway ended with ${code}: ${output}`)));
    });
    const gateway = new TestGateway(child, ...ports, apiKey);
    gateway.output = output;
    child.stdout?.on("data", (chunk: Buffer) => (gateway.output += chunk.toString()));
    return gateway;
  }

  post(
    path: string,
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Response> {
    const bytes = typeof body === "string" ? body : Buffer.from(body);
    return fetch(this.url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${this.#apiKey}`, ...headers },
      body: bytes,
    });
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(this.url + path, { headers: { authorization: `Bearer ${this.#apiKey}`, ...headers } });
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<number | null> {
    const exited = new Promise<number | null>((resolve) => this.child.once("exit", (code) => resolve(code)));
    this.child.kill(signal);
    return exited;
  }
}
