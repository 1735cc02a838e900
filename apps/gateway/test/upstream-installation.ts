import type { FoundUpstream, StatedUpstream } from "@portolan/registry/contract";
import type { Route } from "@portolan/serving/contract";
import { TensorServer } from "@portolan/upstream/testing";
import { type TestGateway, TestInstallation } from "./installation.ts";

/** What the test's server says of itself: two numbers in, two out. */
export const scores: FoundUpstream = {
  signature: {
    inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
    outputs: [{ name: "score", datatype: "FP32", shape: [-1, 2] }],
  },
  binaryTensors: true,
};
export const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';
/** Lets a gateway ask servers on this machine. */
export const allowed = { UPSTREAM_ALLOWED_HOSTS: "127.0.0.1" };

/** An installation and a server that runs models for it. */
export class UpstreamInstallation extends TestInstallation {
  readonly server: TensorServer;

  private constructor(server: TensorServer) {
    super();
    this.server = server;
  }

  static async open(): Promise<UpstreamInstallation> {
    return new UpstreamInstallation(
      await TensorServer.start([...scores.signature.inputs], [...scores.signature.outputs]),
    );
  }

  /** A version that the server runs. */
  elsewhere(over: Partial<StatedUpstream> = {}, found = scores): Route["model"] {
    const stated: StatedUpstream = {
      protocol: "open-inference",
      url: this.server.url,
      model: "echo",
      region: "local",
      owner: "self",
      ...over,
    };
    return this.upstream("score", 1, stated, found);
  }

  async serve(): Promise<TestGateway> {
    await this.publish(1);
    return this.start(allowed);
  }

  async end(): Promise<void> {
    this.dispose();
    await this.server.close();
  }
}

export const ask = (gateway: TestGateway, endpoint = "score") =>
  gateway.post(`/v2/models/${endpoint}/infer`, body);
