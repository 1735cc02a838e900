import { encodePrompt, encodeUpstream } from "@portolan/registry/policy";
import { expect, test } from "vitest";
import { signedFileOf } from "./signed-file.ts";

test("a description of another server's model, a prompt and a model are told apart by what they hold", () => {
  const description = encodeUpstream(
    { protocol: "openai", url: "https://a.example", model: "m", region: "eu", owner: "self" },
    { signature: { inputs: [], outputs: [] }, binaryTensors: false },
    { organisationId: "org_1", useCaseId: "uc_1" },
  );
  expect(signedFileOf(description).name).toBe("upstream.json");
  expect(signedFileOf(encodePrompt({ system: "Be short." })).name).toBe("prompt.json");
  expect(signedFileOf(new TextEncoder().encode('{"name":"no description"}')).name).toBe("model.onnx");
});
