import { createLogger, digestBytes } from "@portolan/kernel";
import type { StatedUpstream } from "@portolan/registry/contract";
import { encodeUpstream } from "@portolan/registry/policy";
import type { LoadedModel, TextModel } from "@portolan/serving/policy";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createUpstreamProbe, createUpstreamRuntime, openUpstreamAccess } from "../src/index.ts";
import { TextServer } from "../src/testing-text.ts";

const registrant = { organisationId: "org_1", useCaseId: "uc_1", environment: "dev" as const };
const log = createLogger({ name: "test", level: "silent" });
let server: TextServer;
let model: LoadedModel;
beforeEach(async () => {
  server = await TextServer.start();
  const access = openUpstreamAccess("127.0.0.1", undefined);
  const stated: StatedUpstream = {
    protocol: "openai",
    url: server.url,
    model: "parrot",
    region: "local",
    owner: "self",
  };
  const found = await createUpstreamProbe(access).describe(stated, registrant);
  const bytes = encodeUpstream(stated, found, registrant);
  model = await createUpstreamRuntime({ access, log }).load({
    label: "parrot/1",
    digest: digestBytes(bytes),
    signature: found.signature,
    form: "upstream",
    origin: "imported",
    loadBytes: async () => bytes,
  });
});
afterEach(async () => {
  await server.close();
  await model.close();
});

const request = { model: "parrot", stream: true, messages: [{ role: "user", content: "a b c d" }] };

test("as many streams as there are connections leave the server available, and one more is turned away", async () => {
  const { ask } = model.text as TextModel;
  const control = new AbortController();
  const body = Buffer.from(JSON.stringify(request));
  server.pauseMs = 60_000;
  const streams = await Promise.all(Array.from({ length: 128 }, () => ask("chat", body, control.signal)));
  expect(new Set(streams.map(({ kind }) => kind))).toEqual(new Set(["answered"]));
  expect((await ask("chat", body, control.signal)).kind).toBe("overloaded");
  const { listed } = server;
  await expect.poll(() => server.listed, { timeout: 8000 }).toBeGreaterThan(listed);
  expect(model.state().kind).toBe("ready");
  for (const stream of streams)
    if (stream.kind === "answered") (stream.body as NodeJS.ReadableStream).on("error", () => undefined);
  control.abort();
  server.pauseMs = 0;
  await expect.poll(() => model.usage().inFlight).toBe(0);
  const last = await ask("chat", body, new AbortController().signal);
  if (last.kind !== "answered") throw new Error(last.kind);
  let text = "";
  for await (const part of last.body) text += Buffer.from(part).toString();
  expect(text).toContain("[DONE]");
  expect(model.usage().inFlight).toBe(0);
});
