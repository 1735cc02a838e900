import type { StatedPrompt } from "@portolan/registry/contract";
import type { Route } from "@portolan/serving/contract";
import { TextServer } from "@portolan/upstream/testing";
import OpenAI from "openai";
import { TestGateway, TestInstallation } from "./installation.ts";

/** Text endpoints behind servers of their own, one gateway, and OpenAI's own client. */
export class TextInstallation extends TestInstallation {
  readonly servers: TextServer[] = [];

  /** An endpoint of text behind a new server; more of the same version behind others. */
  async addText(endpoint: string, over: Partial<Route> = {}, prompt?: StatedPrompt): Promise<TextServer> {
    const { server, model } = await this.textVersion(endpoint, 1, prompt);
    this.addUpstream(endpoint, model, over);
    return server;
  }

  /** A version that a new server runs. */
  async textVersion(name: string, version: number, prompt?: StatedPrompt) {
    const server = await TextServer.start();
    this.servers.push(server);
    const model = this.upstream(
      name,
      version,
      {
        protocol: "openai",
        url: server.url,
        model: "parrot",
        region: "local",
        owner: "self",
        operations: ["chat", "completions", "embeddings"],
      },
      { signature: { inputs: [], outputs: [] }, binaryTensors: false, contextTokens: 4096 },
      prompt,
    );
    return { server, model };
  }

  /** OpenAI's client as anybody would make it; without its own retries, which would hide what it was told. */
  client(gateway: TestGateway): OpenAI {
    return new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: this.apiKey, maxRetries: 0 });
  }

  async end(): Promise<void> {
    this.dispose();
    await Promise.all(this.servers.map((server) => server.close()));
  }
}
