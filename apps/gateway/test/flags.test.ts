import { logisticModel } from "@portolan/onnx-format/testing";
import type { Flag } from "@portolan/serving/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TestGateway, TestInstallation } from "./installation.ts";

const off = { default: false, enabled: true, rules: [], split: [], sticky: "entity" } as const;
const flags: Flag[] = [
  {
    ...off,
    key: "new-form",
    seed: "flg_1",
    rules: [{ by: { attribute: "plan" }, values: ["gold"], value: true }],
    split: [],
  },
  { ...off, key: "half", seed: "flg_2", rules: [], split: [{ value: true, weight: 50 }] },
  {
    key: "next-model",
    seed: "flg_3",
    values: ["champion", "next"],
    default: "champion",
    enabled: true,
    rules: [{ by: { attribute: "x-ring" }, values: ["beta"], value: "next" }],
    split: [],
    sticky: "entity",
    decides: "variant",
  },
];

const installation = new TestInstallation();
const first = logisticModel([1, 2], 0.5);
installation.add("score", first, {
  variants: [
    {
      name: "next",
      kind: "split",
      model: installation.reference("score", 2, logisticModel([4, 3], 1)),
      features: null,
      sample: 1,
    },
  ],
  traffic: { seed: "ep_score", rules: [], split: [{ variant: "next", weight: 0 }], sticky: "principal" },
  flags,
});
installation.add("secret", first, {
  flags: [{ ...off, key: "hidden", seed: "flg_4", rules: [], split: [] }],
});
const stranger = installation.addTenant("score");
let gateway: TestGateway;
beforeAll(async () => {
  await installation.publish(1);
  gateway = await installation.start();
});
afterAll(() => installation.dispose());

const path = "/ofrep/v1/evaluate/flags";
const asked = async (name: string, context?: object | string, headers: Record<string, string> = {}) => {
  const body = typeof context === "string" ? context : JSON.stringify({ context });
  const answer = await gateway.post(`${path}${name}`, body, headers);
  return {
    status: answer.status,
    type: answer.headers.get("content-type"),
    body: JSON.parse(await answer.text()),
  };
};
const as = (apiKey: string) => ({ authorization: `Bearer ${apiKey}` });
const infer = async (headers: Record<string, string>, version = "") => {
  const body = JSON.stringify({
    inputs: [{ name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] }],
  });
  const answer = await gateway.post(`/v2/models/score${version}/infer`, body, headers);
  return [JSON.parse(await answer.text()).model_version, answer.headers.get("x-portolan-flag")];
};

describe("flags by the OpenFeature Remote Evaluation Protocol", () => {
  test("are evaluated from the snapshot, without control", async () => {
    expect(await asked("/score.new-form", { targetingKey: "u", plan: "gold" })).toMatchObject({
      status: 200,
      body: { key: "score.new-form", value: true, variant: "on", reason: "TARGETING_MATCH" },
    });
    expect((await asked("/score.new-form")).body).toMatchObject({ value: false, reason: "DEFAULT" });
    const keyed = await fetch(`${gateway.url}${path}/score.new-form`, {
      method: "POST",
      headers: { "x-api-key": installation.apiKey },
      body: "{}",
    });
    expect(keyed.status).toBe(200);
  });

  test("all of them have an ETag that changes with what they say", async () => {
    const all = (entity: string, known?: string) =>
      gateway.post(
        path,
        JSON.stringify({ context: { targetingKey: entity } }),
        known === undefined ? {} : { "if-none-match": known },
      );
    const one = await all("u1");
    const { flags: said } = JSON.parse(await one.text());
    expect(said.map(({ key }: { key: string }) => key)).toEqual([
      "score.new-form",
      "score.half",
      "score.next-model",
      "secret.hidden",
    ]);
    const etag = one.headers.get("etag") ?? "";
    const again = await all("u1", `"other", W/${etag}`);
    expect([again.status, again.headers.get("etag"), await again.text()]).toEqual([304, etag, ""]);
    expect(again.headers.get("content-length")).toBeNull();
    const others = await Promise.all(Array.from({ length: 10 }, (_, n) => all(`u${n}`)));
    expect(new Set(others.map((answer) => answer.headers.get("etag"))).size).toBe(2);
  });

  test("a hostile caller gets the protocol's refusals, and learns of no flag that is not its own", async () => {
    const unknown = { status: 404, body: { errorCode: "FLAG_NOT_FOUND" } };
    const missing = await asked("/score.nothing");
    expect(missing).toMatchObject({ ...unknown, type: "application/json", body: { key: "score.nothing" } });
    const foreign = await asked("/secret.hidden", {}, as(stranger.apiKey));
    const nowhere = await asked("/none.hidden", {}, as(stranger.apiKey));
    expect(foreign).toMatchObject(unknown);
    const told = (answer: typeof foreign) => ({ ...answer, body: { ...answer.body, key: "" } });
    expect(told(foreign)).toEqual(told(nowhere));
    expect(told(await asked("/nonsense"))).toEqual(told(missing));
    const mine = await asked("", {}, as(stranger.apiKey));
    expect(JSON.stringify(mine.body)).not.toContain("secret");
    expect((await asked("/score.new-form", "{")).body).toMatchObject({ errorCode: "PARSE_ERROR" });
    expect(await asked("/score.half", {})).toMatchObject({
      status: 400,
      body: { key: "score.half", errorCode: "TARGETING_KEY_MISSING" },
    });
    const huge = { targetingKey: "u", padding: "x".repeat(70_000) };
    for (const name of ["/score.half", ""])
      expect(await asked(name, huge)).toMatchObject({ status: 400, body: { errorCode: "INVALID_CONTEXT" } });
    expect((await asked("/score.half", {}, as("ptk_dev_x_y"))).status).toBe(401);
  });
});

describe("a flag that decides who answers", () => {
  test("sends those to a variant whom its rules name, is on their record, and leaves the others alone", async () => {
    expect(await infer({ "x-ring": "beta" })).toEqual(["2", "next-model=next"]);
    expect(await infer({ "x-ring": "gamma" })).toEqual(["1", null]);
    expect(await infer({ "x-ring": "beta" }, "/versions/1")).toEqual(["1", null]);
    await gateway.end("SIGTERM");
    const answered = installation.records().filter(({ header }) => header.status.kind === "ok");
    expect(answered.map(({ header }) => [header.context.model?.version, header.flag])).toEqual([
      ["2", { key: "next-model", value: "next" }],
      ["1", undefined],
      ["1", undefined],
    ]);
  });
});
