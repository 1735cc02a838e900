import { readTemplate } from "@portolan/charter";
import {
  asEpochMicros,
  type Digest,
  digestBytes,
  digestHex,
  type Id,
  type SigningKey,
} from "@portolan/kernel";
import type { ModelVersion } from "@portolan/registry/contract";
import { readPrompt, verifyModelBundle } from "@portolan/registry/policy";
import { TextServer } from "@portolan/upstream/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Acme, type ApiMethod, bootstrapAcme, must, putInForce } from "./api.ts";
import { type InProcessControl, openControl } from "./in-process.ts";

/** A use case whose charter bounds the share of passed cases, and a server that repeats the last message. */
let control: InProcessControl;
let acme: Acme;
let server: TextServer;

const secret = "Never say the word tangerine.";
const prompt = {
  system: secret,
  template: "{{thing}}",
  sampling: { temperature: { default: 0.2 }, maxTokens: { default: 10, maximum: 15 } },
};

beforeAll(async () => {
  server = await TextServer.start();
  control = await openControl();
  control.alsoClose(() => server.close());
  acme = await bootstrapAcme(control, control.secret);
  await putInForce(control, readTemplate("flight-delays").replace("metric: roc_auc", "metric: pass_rate"));
});
afterAll(() => control.close());

const call = async (who: string, method: ApiMethod, path: string, body?: unknown) =>
  control.call(method, path, body, await control.token(who));
const post = async (path: string, body: unknown) =>
  must(control, "POST", path, body, await control.token("ci"));

const stated = (over: object = {}) => ({
  useCaseId: acme.useCaseId,
  upstream: {
    protocol: "openai",
    url: server.url,
    model: "parrot",
    region: "local",
    owner: "self",
    ...over,
  },
});
const register = async (said: unknown, upstream: object = {}) =>
  call("ci", "POST", "/v1/models/helper/upstreams", { ...stated(upstream), prompt: said });
const version = async (number: number) =>
  (await call("ci", "GET", `/v1/models/helper/versions/${number}`)).body as unknown as ModelVersion;

test("a prompt that cannot be used is refused before anybody is asked, and nothing is registered", async () => {
  const asked = server.listed;
  const code = async (said: unknown, upstream: object = {}) => {
    const { status, body } = await register(said, upstream);
    expect(status).toBe(400);
    return body["code"];
  };
  expect(await code({ template: "{{ thing }}" })).toBe("registry.prompt_unusable");
  expect(await code({ sampling: { temperature: { default: 1, maximum: 0.5 } } })).toBe(
    "registry.prompt_unusable",
  );
  expect(await code(prompt, { operations: ["embeddings"] })).toBe("registry.prompt_unusable");
  expect(await code(prompt, { protocol: "open-inference" })).toBe("registry.prompt_unusable");
  for (const odd of [
    {},
    { system: "" },
    { system: secret, role: "x" },
    { system: "x".repeat(65_537) },
    "text",
  ])
    expect(await code(odd)).toBe("kernel.bad_request");
  expect(server.listed).toBe(asked);
  expect((await call("ci", "GET", "/v1/models/helper/versions")).body["versions"]).toEqual([]);
});

test("the same prompt is the same version, another one another; the signature is over both files", async () => {
  expect((await post("/v1/models/helper/upstreams", stated()))["version"]).toBe(1);
  const first = await register(prompt);
  expect([first.status, first.body["version"]]).toEqual([201, 2]);
  expect((await register(prompt)).body["version"]).toBe(2);
  expect((await register({ ...prompt, system: "Be kind." })).body["version"]).toBe(3);
  expect(first.text, "its words are in no answer").not.toContain("tangerine");
  const { artifact, bundle, lineage, signedAt } = await version(2);
  const { text: found } = await call("ci", "GET", `/v1/artifacts/${lineage.prompt ?? ""}`);
  expect(JSON.parse(found)).toEqual({ format: "portolan.prompt/1", ...prompt });
  const { text } = await call("ci", "GET", `/v1/models/helper/versions/2/bundle`);
  const { items } = (await call("ci", "GET", "/v1/signing-keys")).body as { items: SigningKey[] };
  const files = (digest: string) => [
    { name: "upstream.json", sha256: digestHex(artifact as Digest) },
    { name: "prompt.json", sha256: digestHex(digest as Digest) },
  ];
  const verify = (digest: string) =>
    verifyModelBundle(Buffer.from(text), {
      files: files(digest),
      signedAt: asEpochMicros(signedAt),
      keys: items.filter(({ purpose }) => purpose === "model"),
    }).kind;
  expect(bundle).toBe(digestBytes(Buffer.from(text)));
  expect(verify(lineage.prompt ?? "")).toBe("valid");
  expect(verify((await version(3)).lineage.prompt ?? "")).toBe("invalid");
});

test("nobody of another team reads it, nor finds the version", async () => {
  const token = await control.token("ada");
  const make = (path: string, body: object) => must(control, "POST", path, body, token);
  await make("/v1/teams", { name: "crew", displayName: "crew", businessUnit: "operations" });
  await make("/v1/users", { name: "tom", displayName: "tom" });
  const scope = { kind: "team", id: "crew" };
  await make("/v1/role-bindings", {
    principal: "tom",
    role: "ml_engineer",
    scope,
    environments: ["production"],
  });
  const { lineage } = await version(2);
  expect((await call("tom", "GET", `/v1/artifacts/${lineage.prompt ?? ""}`)).status).toBe(404);
  expect((await call("tom", "GET", "/v1/models/helper/versions/2")).status).toBe(404);
});

test("it is evaluated with its prompt and its settings, promoted by its own gates, and what is attested is over both files", async () => {
  const lines = Array.from({ length: 60 }, (_, at) =>
    JSON.stringify({ promptVariables: { thing: `word${at}` }, expect: `word${at}`, maxTokens: 20 }),
  );
  const place = new URLSearchParams({ environment: "production", useCaseId: acme.useCaseId }).toString();
  const { digest } = await post(`/v1/artifacts?${place}`, Buffer.from(lines.join("\n")));
  const set = await post("/v1/evaluation-sets", {
    name: "things",
    useCaseId: acme.useCaseId,
    artifact: digest,
    heldOut: "Written for this test, published nowhere.",
  });
  server.bodies.length = 0;
  const { job } = await post("/v1/text-evaluations", { model: "helper", version: 2, setId: set["id"] });
  await control.runJobs(control.jobs.governance);
  const { body } = await call("ci", "GET", `/v1/jobs/${String(job)}`);
  expect(body["result"]).toMatchObject({ metrics: { cases: 60, passed: 60 } });
  expect(server.bodies.map(({ messages }) => messages)).toContainEqual([
    { role: "system", content: secret },
    { role: "user", content: "word7" },
  ]);
  expect(server.bodies[0]).toMatchObject({ temperature: 0.2, max_completion_tokens: 15 });
  const promote = (number: number) =>
    call("ci", "POST", `/v1/models/helper/versions/${number}/promotions`, { to: "staging" });
  expect((await promote(2)).status).toBe(200);
  expect((await promote(3)).status, "what was measured with another prompt says nothing of it").toBe(409);
  await control.runJobs(control.jobs.governance);
  const { attestations } = (await call("ci", "GET", "/v1/models/helper/versions/2/record")).body as {
    attestations: { about: string; digest: string }[];
  };
  const { lineage } = await version(2);
  expect(attestations.map(({ about }) => about.split("/")[0])).toEqual(["evaluation", "promotion"]);
  for (const { digest: one } of attestations) {
    const path = `/v1/models/helper/versions/2/attestations/${one}`;
    const { dsseEnvelope } = (await call("ci", "GET", path)).body as { dsseEnvelope: { payload: string } };
    const statement = Buffer.from(dsseEnvelope.payload, "base64").toString();
    expect(JSON.parse(statement)).toMatchObject({
      subject: [
        { name: "helper" },
        { name: "upstream.json" },
        { name: "prompt.json", digest: { sha256: digestHex(lineage.prompt as Digest) } },
      ],
    });
    expect(statement).not.toContain("tangerine");
  }
});

test("gateways are told its digest, may fetch it, and get what was registered", async () => {
  const endpoint = { environment: "staging", useCaseId: acme.useCaseId, model: "helper", version: 2 };
  const deployed = await call("ci", "PUT", "/v1/endpoints/helper", endpoint);
  expect([deployed.status, deployed.text]).toEqual([200, expect.any(String)]);
  const gateway = await control.token("gateway-1");
  const place = { region: "local", owner: "self" };
  await must(control, "PUT", "/v1/gateways/near", place, gateway);
  await control.publish(acme.organisationId as Id<"organisation">);
  const { lineage } = await version(2);
  const query = new URLSearchParams({ gateway: "near", ...place }).toString();
  const path = `/v1/snapshots/parts/${lineage.prompt ?? ""}?${query}`;
  const { status, text } = await control.call("GET", path, undefined, gateway);
  expect([status, readPrompt(Buffer.from(text))?.system]).toEqual([200, secret]);
});
