import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askCases } from "@portolan/evaluation";
import { createLogger, systemClock } from "@portolan/kernel";
import { openFolderObjectStore } from "@portolan/objectstore";
import type { StatedPrompt } from "@portolan/registry/contract";
import { encodePrompt, encodeUpstream } from "@portolan/registry/policy";
import { createUpstreamRuntime, openUpstreamAccess } from "@portolan/upstream";
import { TextServer } from "@portolan/upstream/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createTextAsker } from "../src/scoring/text-asker.ts";

const access = openUpstreamAccess("127.0.0.1", undefined);
const upstreams = createUpstreamRuntime({ access, log: createLogger({ name: "test", level: "silent" }) });
const folder = mkdtempSync(join(tmpdir(), "asker-"));
/** Only a server that hangs takes so long. */
const quick = { answerMs: 10_000, pausesMs: [50, 50] };
const hanging = { ...quick, answerMs: 500 };
const never = new AbortController().signal;
let server: TextServer;

beforeAll(async () => void (server = await TextServer.start()));
beforeEach(() => {
  server.mode = "ok";
  server.reportsUsage = true;
  server.repeats = 1;
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

const questions = (count: number) =>
  Array.from({ length: count }, (_, i) => ({
    id: String(i),
    question: { messages: [{ role: "user", content: `hello ${i}` }] },
    maxTokens: 10,
    expect: `hello ${i}`,
  }));

async function open(said?: StatedPrompt, operations?: readonly ("chat" | "completions")[]) {
  const objects = await openFolderObjectStore(join(folder, "objects"), systemClock);
  const prompt = said && (await objects.put(encodePrompt(said)));
  const bytes = encodeUpstream(
    {
      protocol: "openai",
      url: server.url,
      model: "parrot",
      region: "local",
      owner: "self",
      ...(operations ? { operations: [...operations] } : {}),
    },
    { signature: { inputs: [], outputs: [] }, binaryTensors: false },
    { organisationId: "org_1", useCaseId: "uc_1" },
    prompt,
  );
  return createTextAsker(objects, upstreams).open(await objects.put(bytes));
}

test("every case is asked once, and results keep their order", async () => {
  await using model = await open();
  const results = await askCases(model, questions(30), never, quick);
  expect(results.map(({ id, passed }) => [id, passed])).toEqual(
    Array.from({ length: 30 }, (_, i) => [String(i), true]),
  );
  expect(server.bodies).toHaveLength(30);
});

test("tokens that the server does not report are estimated, and marked", async () => {
  await using model = await open();
  server.reportsUsage = false;
  const [result] = await askCases(model, questions(1), never, quick);
  expect(result).toMatchObject({ isEstimated: true, completionTokens: expect.any(Number) as number });
});

test("a question that the model refuses did not pass, and says why", async () => {
  await using model = await open();
  server.mode = "refuse";
  const [result] = await askCases(model, questions(1), never, quick);
  expect(result).toMatchObject({
    passed: false,
    why: expect.stringMatching(/^refused: 400 .*temperature must be at most 2/) as string,
  });
});

test("a case that the version's prompt leaves no room for did not pass, and nobody was asked", async () => {
  await using model = await open({ system: "Be kind." });
  const asked = server.bodies.length;
  const messages = [{ role: "system", content: "Be rude." }];
  const [result] = await askCases(
    model,
    [{ id: "0", question: { messages }, maxTokens: 10, expect: "x" }],
    never,
    quick,
  );
  expect(result).toMatchObject({ passed: false, why: expect.stringMatching(/^refused: .*role/) as string });
  expect(server.bodies).toHaveLength(asked);
});

test.each([
  ["completions", { prompt: "Colour of grass?" }],
  ["chat", { messages: [{ role: "user", content: "Colour of grass?" }] }],
] as const)("a case of variables alone is asked of a version that serves %s only", async (serves, sent) => {
  await using model = await open({ template: "Colour of {{thing}}?" }, [serves]);
  const question = { messages: [], prompt_variables: { thing: "grass" } };
  const cases = [{ id: "0", question, maxTokens: 10, expect: "Colour of grass?" }];
  const [result] = await askCases(model, cases, never, quick);
  expect(result).toMatchObject({ passed: true });
  expect(server.bodies.at(-1)).toMatchObject(sent);
});

test.each(["fail", "busy", "page", "excuse"] as const)(
  "a server that answers by %s says nothing about its model: no results, and it was asked again",
  async (mode) => {
    await using model = await open();
    server.mode = mode;
    const asked = server.bodies.length;
    await expect(askCases(model, questions(1), never, quick)).rejects.toMatchObject({
      code: "evaluation.upstream_away",
    });
    expect(server.bodies.length - asked).toBeGreaterThan(0);
  },
);

test("a server that comes back while it is waited for is evaluated", async () => {
  await using model = await open();
  server.mode = "busy";
  setTimeout(() => (server.mode = "ok"), 60);
  const [result] = await askCases(model, questions(1), never, {
    answerMs: 10_000,
    pausesMs: [30, 60, 120, 500],
  });
  expect(result).toMatchObject({ passed: true });
});

test("late answers after answered ones did not pass: a server that hangs at the end of a set is evaluated", async () => {
  await using model = await open();
  server.mode = "silent";
  const late = await askCases(model, questions(2), never, { ...hanging, answeredBefore: 40 });
  expect(late).toMatchObject([
    { id: "0", passed: false, why: "no answer in time" },
    { id: "1", passed: false, why: "no answer in time" },
  ]);
});

test("an answer that goes on behind its tokens did not pass, and its beginning is kept", async () => {
  await using model = await open();
  server.repeats = 60_000;
  const [result] = await askCases(model, questions(1), never, quick);
  expect(result).toMatchObject({ passed: false, isCut: true, why: "it is longer than 10 tokens can be" });
  expect(result?.answer).toMatch(/^hello 0 hello/);
  expect(Buffer.byteLength(JSON.stringify(result?.answer))).toBeLessThanOrEqual(1024);
});

test("one that hangs is no model that knows nothing, and one that is cancelled ends at once", async () => {
  await using model = await open();
  server.mode = "silent";
  await expect(askCases(model, questions(3), never, hanging)).rejects.toMatchObject({
    code: "evaluation.upstream_away",
  });
  const cancelled = new AbortController();
  setTimeout(() => cancelled.abort(new Error("cancelled")), 50);
  const startMs = performance.now();
  await expect(
    askCases(model, questions(8), cancelled.signal, { ...quick, answerMs: 30_000 }),
  ).rejects.toThrow("cancelled");
  expect(performance.now() - startMs).toBeLessThan(5000);
});
