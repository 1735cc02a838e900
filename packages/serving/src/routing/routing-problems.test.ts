import { expect, test } from "vitest";
import type { ModelReference, Variant } from "../snapshot/schema.ts";
import { findRoutingProblems } from "./routing-problems.ts";

const digest = `sha256:${"0".repeat(64)}`;

function model(name: string, protocol: "openai" | "open-inference"): ModelReference {
  return {
    name,
    version: 1,
    digest,
    sizeBytes: 1,
    bundle: { digest, signedAt: 1 },
    signature: { inputs: [], outputs: [] },
    origin: "imported",
    upstream: { protocol, region: "local", owner: "self", environments: ["dev"] },
  };
}

const shadowOf = (reference: ModelReference): Variant => ({
  name: "trial",
  kind: "shadow",
  model: reference,
  features: null,
  sample: 1,
});

test("a text endpoint has shadows that speak text, and no others", () => {
  const problemsWith = (shadow: ModelReference) =>
    findRoutingProblems(
      {},
      { model: model("helper", "openai"), secondary: null, variants: [shadowOf(shadow)] },
      [],
    );
  expect(problemsWith(model("next", "openai"))).toEqual([]);
  expect(problemsWith(model("next", "open-inference"))).toEqual([
    "next/1 speaks another protocol than helper",
  ]);
});
