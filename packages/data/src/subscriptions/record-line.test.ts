import { expect, test } from "vitest";
import { recordLine } from "./record-line.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const record = (value: Uint8Array | null) =>
  recordLine("flights", { partition: 3, offset: 2n ** 53n + 1n, value });
const position = ["flights/3", "9007199254740993"];

test("a JSON object is kept as it came, numbers to the digit", () => {
  expect(record(bytes('{ "n": 1.50, "big": 9007199254740993 }')).line).toBe(
    '{"n":1.50,"big":9007199254740993}',
  );
});

test("what is no event says where it lies and why, and is an event for no reader (D23)", () => {
  const dead = (value: Uint8Array | null): unknown => JSON.parse(record(value).line);
  expect(dead(null)).toEqual([...position, "it has no value", ""]);
  expect(dead(bytes("[1]"))).toEqual([...position, "it is no JSON object", "[1]"]);
  expect(dead(bytes('{"a": 1, "a": 2}'))).toEqual([
    ...position,
    "it names a member twice",
    '{"a": 1, "a": 2}',
  ]);
  expect(dead(Uint8Array.of(0x7b, 0xff))).toEqual([...position, "it is no UTF-8", "{\ufffd"]);
});

test("a value over sixteen mebibytes is a dead letter, and so bounded that no line of a batch is too long (D23)", () => {
  const large = record(new Uint8Array(16 * 2 ** 20 + 1).fill(1));
  expect(large.error).toBe("it has 16777217 bytes; an event has 16777216 at most");
  // Control characters are six times as long in JSON.
  const unreadable = record(new Uint8Array(16 * 2 ** 20).fill(1));
  expect(unreadable.error).toBe("it is no JSON");
  expect(unreadable.line.length).toBeLessThan(2 ** 19);
});
