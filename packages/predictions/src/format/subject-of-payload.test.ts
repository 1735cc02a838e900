import { describe, expect, test } from "vitest";
import type { PredictionPayload } from "../contract.ts";
import { isAbout } from "./subject-of-payload.ts";

const asked = (bytes: Uint8Array | object, mediaType = "application/json"): PredictionPayload => ({
  inputs: {
    mediaType,
    bytes: bytes instanceof Uint8Array ? bytes : Buffer.from(JSON.stringify(bytes)),
  },
});
const tensors = (name: string, ...data: unknown[]) => asked({ inputs: [{ name, shape: [1], data }] });
const jane = { subject: "jane-4711", columns: ["Customer"] };

describe("whom a prediction is about", () => {
  test("is whom its caller named, and nobody where the payload is gone", () => {
    expect(isAbout({ subject: "jane-4711" }, { subject: "jane-4711" })).toBe(true);
    expect(isAbout({ subject: "jane-47111" }, jane)).toBe(false);
    expect(isAbout(undefined, jane)).toBe(false);
  });

  test.each([
    ["a tensor of that name has the value", tensors("customer", "john-1", "jane-4711"), true],
    ["its values lie in each other", tensors("customer", [["jane-4711"]]), true],
    ["another tensor has it", tensors("city", "jane-4711"), false],
    ["the value is longer", tensors("customer", "jane-47110"), false],
    ["a member has the value", asked({ messages: [], metadata: { CUSTOMER: "jane-4711" } }), true],
    ["a member of another name has it", asked({ prompt: "jane-4711" }), false],
  ])("%s", (_, payload, is) => {
    expect(isAbout(payload, jane)).toBe(is);
    // Without a column only whom the caller named counts.
    expect(isAbout(payload, { subject: "jane-4711" })).toBe(false);
  });

  test("numbers count as numbers", () => {
    const number = { subject: "4711.0", columns: ["customer"] };
    expect(isAbout(tensors("customer", 4711), number)).toBe(true);
    expect(isAbout(tensors("customer", 47110), number)).toBe(false);
    expect(isAbout(tensors("customer", 4711), { subject: "4711e0", columns: ["customer"] })).toBe(false);
  });

  test("texts of tensors in bytes are told by their length, in the binary form and in protobuf", () => {
    const word = Buffer.from("jane-4711");
    const header = Buffer.from('{"inputs":[{"name":"customer"}]}');
    const after = Buffer.from("B");
    const binary = Buffer.concat([header, Buffer.from([9, 0, 0, 0]), word, after]);
    const protobuf = Buffer.concat([Buffer.from("\x0acustomer"), Buffer.from([0x42, 9]), word, after]);
    const longer = Buffer.concat([header, Buffer.from([10, 0, 0, 0]), word, after]);
    expect(
      [binary, protobuf, longer].map((one) => isAbout(asked(one, "application/octet-stream"), jane)),
    ).toEqual([true, true, false]);
    const other = { ...jane, columns: ["account"] };
    expect(isAbout(asked(binary, "application/octet-stream"), other)).toBe(false);
    const long = "x".repeat(200);
    const long2 = Buffer.concat([Buffer.from("customer"), Buffer.from([200, 1]), Buffer.from(long)]);
    expect(isAbout(asked(long2, "application/grpc"), { subject: long, columns: ["customer"] })).toBe(true);
  });

  test("a request that nests as deep as a caller likes is read to its end", () => {
    const deep = `${'{"a":'.repeat(100_000)}{"customer":"jane-4711"}${"}".repeat(100_000)}`;
    expect(isAbout(asked(Buffer.from(deep)), jane)).toBe(true);
  });
});
