import { expect, test } from "vitest";
import { readPath } from "../paths.ts";
import { readFlagContext, readFlagName, writeEvaluation, writeFailure } from "./ofrep.ts";

const read = (body: unknown) =>
  readFlagContext(Buffer.from(typeof body === "string" ? body : JSON.stringify(body)));

test("a context states whom it is about, and texts, numbers and truths beside", () => {
  const reading = read({ context: { targetingKey: "u1", plan: "gold", seats: 3, beta: true, deep: {} } });
  if (reading.kind !== "context") throw new Error(reading.detail);
  const { entity, attribute } = reading.context;
  expect([
    entity,
    ...["plan", "seats", "beta", "deep", "none", "__proto__", "toString"].map(attribute),
  ]).toEqual(["u1", "gold", "3", "true", undefined, undefined, undefined, undefined]);
});

test.each([
  ["", undefined],
  ["{}", undefined],
  ["{", "PARSE_ERROR"],
  ["[]", "PARSE_ERROR"],
  ["null", "PARSE_ERROR"],
  ['{"context":[]}', "INVALID_CONTEXT"],
  ['{"context":{"targetingKey":7}}', "INVALID_CONTEXT"],
  ['{"context":{"targetingKey":""}}', "INVALID_CONTEXT"],
  [JSON.stringify({ context: { targetingKey: "x".repeat(1001) } }), "INVALID_CONTEXT"],
])("a body %# is read, or refused by the protocol's code", (body, code) => {
  const reading = read(body);
  expect(reading.kind === "refused" ? reading.code : undefined).toBe(code);
});

test("names lead to an endpoint's flag, or nowhere", () => {
  expect(readFlagName("churn.new-form")).toEqual({ endpoint: "churn", key: "new-form" });
  for (const name of ["churn", "a.b.c", ".x", "x.", ""]) expect(readFlagName(name)).toBeUndefined();
  const path = "/ofrep/v1/evaluate/flags";
  expect(readPath("POST", `${path}/churn.new-form`)).toEqual({
    kind: "evaluate_flag",
    flag: "churn.new-form",
  });
  expect(readPath("POST", `${path}?x=1`)).toEqual({ kind: "evaluate_flags" });
  expect(readPath("GET", path)).toEqual({ kind: "wrong_method", allow: "POST" });
  expect(readPath("POST", `${path}/a%zz`)).toEqual({ kind: "unknown" });
});

test("answers have the protocol's members", () => {
  const place = { endpoint: "churn", environment: "dev" };
  const said = { kind: "value", value: true, variant: "on", reason: "SPLIT" } as const;
  expect(writeEvaluation(place, "f", said)).toEqual({
    key: "churn.f",
    reason: "SPLIT",
    variant: "on",
    value: true,
    metadata: place,
  });
  expect(writeEvaluation(place, "f", { kind: "entity_missing" })).toMatchObject({
    key: "churn.f",
    errorCode: "TARGETING_KEY_MISSING",
  });
  expect(writeFailure("GENERAL", "why")).toEqual({ errorCode: "GENERAL", errorDetails: "why" });
});
