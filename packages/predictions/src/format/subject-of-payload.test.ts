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
    ["the request has it for its own id", asked({ id: "jane-4711", inputs: [] }), false],
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

  test("a request of JSON that failed is on record as bytes, and found all the same; so is what stands in JSON before tensors in bytes", () => {
    const bytes = "application/octet-stream";
    const json = JSON.stringify({ inputs: [{ name: "customer", shape: [1], data: ["jane-4711"] }] });
    expect(isAbout(asked(Buffer.from(json), bytes), jane)).toBe(true);
    expect(isAbout(asked(Buffer.from(json.replace("4711", "4712")), bytes), jane)).toBe(false);
    const tail = Buffer.from([0, 0x7d, 0x22, 0xff, 0x80, 0x3f]);
    expect(isAbout(asked(Buffer.concat([Buffer.from(json), tail]), bytes), jane)).toBe(true);
    const quoted = JSON.stringify({ note: 'a "brace" {', customer: "jane-4711" });
    expect(isAbout(asked(Buffer.concat([Buffer.from(quoted), tail]), bytes), jane)).toBe(true);
  });

  test("columns may have names of any letters, also beside bytes", () => {
    const named = { subject: "jane-4711", columns: ["KÜRZEL"] };
    const body = Buffer.concat([
      Buffer.from([0xc3]),
      Buffer.from("Kürzel"),
      Buffer.from([0xe2, 9, 0, 0, 0]),
      Buffer.from("jane-4711"),
    ]);
    expect(isAbout(asked(body, "application/grpc"), named)).toBe(true);
    expect(isAbout(asked(body, "application/grpc"), { ...named, columns: ["kuerzel"] })).toBe(false);
  });

  test("a number that doubles cannot tell from others is nobody's", () => {
    const of = (subject: string) => ({ subject, columns: ["customer"] });
    expect(isAbout(tensors("customer", 4111111111111111), of("4111111111111111"))).toBe(true);
    expect(isAbout(asked(Buffer.from('{"customer":9007199254740993}')), of("9007199254740992"))).toBe(false);
  });

  test("a request that nests as deep as a caller likes is read to its end", () => {
    const deep = `${'{"a":'.repeat(100_000)}{"customer":"jane-4711"}${"}".repeat(100_000)}`;
    expect(isAbout(asked(Buffer.from(deep)), jane)).toBe(true);
    const before = Buffer.concat([Buffer.from(deep), Buffer.from([0])]);
    expect(isAbout(asked(before, "application/octet-stream"), jane)).toBe(true);
  });
});
