import { isPortolanError } from "@portolan/kernel";
import type { Datatype, ModelSignature } from "@portolan/onnx-format";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readAnyRequest } from "./infer-request.ts";
import { readPlainRequest } from "./plain-request.ts";

const signature: ModelSignature = {
  inputs: [
    { name: "x", datatype: "FP32", shape: [-1, 3], symbols: ["batch", null] },
    { name: "n", datatype: "INT64", shape: [-1], symbols: ["batch"] },
  ],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 2] }],
};

function oneInput(datatype: Datatype): ModelSignature {
  return { inputs: [{ name: "x", datatype, shape: [-1] }], outputs: signature.outputs };
}

/** What the general reader makes of it; `undefined` when it refuses. */
function general(body: Uint8Array, of: ModelSignature) {
  try {
    return readAnyRequest(body, undefined, of);
  } catch (error) {
    if (isPortolanError(error)) return undefined;
    throw error;
  }
}

function plain(text: string, of = signature) {
  return readPlainRequest(Buffer.from(text), of);
}

const space = fc.constantFrom("", "", "", " ", "\n  ", "\t", "\r\n");
const numberText = fc.oneof(
  fc.integer().map(String),
  fc.double({ noNaN: true }).map((value) => JSON.stringify(value)),
  fc.float({ noNaN: true }).map((value) => JSON.stringify(value)),
  fc.constantFrom(
    "0",
    "-0",
    "-0.0",
    "0.1",
    "1e3",
    "1E-7",
    "1e+2",
    "123456789012345",
    "9007199254740993",
    "0.1234567890123456789",
  ),
  fc.constantFrom("01", "-", "1.", ".5", "1e", "+1", "NaN", "1e400", "3.5e38", "null", '"1"', "true", "1 2"),
);

describe("plain requests", () => {
  test("the numbers of every datatype are read as the general reader reads them", () => {
    const datatypes = [
      "FP32",
      "FP64",
      "INT8",
      "UINT8",
      "INT16",
      "UINT16",
      "INT32",
      "UINT32",
      "INT64",
      "UINT64",
    ] as const;
    let taken = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...datatypes),
        fc.array(numberText, { minLength: 1, maxLength: 4 }),
        (datatype, texts) => {
          const body = Buffer.from(
            `{"inputs":[{"name":"x","shape":[${texts.length}],"datatype":"${datatype}","data":[${texts.join(",")}]}]}`,
          );
          const read = readPlainRequest(body, oneInput(datatype));
          if (read) taken++;
          if (read) expect(read).toEqual(general(body, oneInput(datatype)));
        },
      ),
      { numRuns: 3000 },
    );
    expect(taken).toBeGreaterThan(300);
  });

  test("whatever it takes, the general reader takes and reads the same: spaces, orders, nesting, ids", () => {
    const request = fc
      .record({
        rows: fc.integer({ min: 1, max: 3 }),
        nested: fc.boolean(),
        id: fc.option(fc.string({ maxLength: 5 }), { nil: undefined }),
        keys: fc.shuffledSubarray(["name", "shape", "datatype"], { minLength: 3 }),
        spaces: fc.array(space, { minLength: 12, maxLength: 12 }),
        values: fc.array(numberText, { minLength: 9, maxLength: 9 }),
      })
      .map(({ rows, nested, id, keys, spaces, values }) => {
        let at = 0;
        const s = (): string => spaces[at++ % spaces.length] ?? "";
        const x = Array.from({ length: rows }, (_, row) =>
          values.slice(row * 3, row * 3 + 3).join(`${s()},${s()}`),
        );
        const head: Record<string, string> = { name: '"x"', shape: `[${rows},${s()}3]`, datatype: '"FP32"' };
        const data = nested ? x.map((row) => `[${s()}${row}]`).join(",") : x.join(",");
        const members = keys.map((key) => `"${key}"${s()}:${s()}${head[key]}`);
        const n = `{"name":"n","shape":[${rows}],"datatype":"INT64","data":[${Array.from({ length: rows }, () => 7).join(",")}]}`;
        const first = id === undefined ? "" : `"id":${JSON.stringify(id)},`;
        return `${s()}{${first}${s()}"inputs":${s()}[{${members.join(`${s()},`)},"data":[${data}]},${n}]${s()}}${s()}`;
      });
    let taken = 0;
    fc.assert(
      fc.property(request, (text) => {
        const body = Buffer.from(text);
        const read = readPlainRequest(body, signature);
        if (read) taken++;
        if (read) expect(read).toEqual(general(body, signature));
      }),
      { numRuns: 2000 },
    );
    expect(taken).toBeGreaterThan(50);
  });

  test("a byte that is changed is never read otherwise than in general", () => {
    const whole = Buffer.from(
      '{"id":"a","inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1.5,-2,0.25]},{"name":"n","shape":[1],"datatype":"INT64","data":[7]}]}',
    );
    expect(readPlainRequest(whole, signature)).toEqual(general(whole, signature));
    for (let at = 0; at < whole.length; at++)
      for (const byte of [
        0, 0x20, 0x22, 0x2c, 0x2d, 0x2e, 0x30, 0x39, 0x5b, 0x5c, 0x5d, 0x65, 0x7b, 0x7d, 0x80, 0xff,
      ]) {
        const changed = Buffer.from(whole);
        changed[at] = byte;
        const read = readPlainRequest(changed, signature);
        if (read) expect(read).toEqual(general(changed, signature));
      }
    for (let end = 0; end < whole.length; end++)
      expect(readPlainRequest(whole.subarray(0, end), signature)).toBeUndefined();
  });

  test.each([
    ["a second value", '{"inputs":[]}{}'],
    ["a byte of zero after it", '{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[1]}]}\u0000'],
    ["an equal name twice", '{"inputs":[{"name":"x","name":"x","shape":[1],"datatype":"FP64","data":[1]}]}'],
    ["another member", '{"parameters":{},"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[1]}]}'],
    ["data before its shape", '{"inputs":[{"data":[1],"name":"x","shape":[1],"datatype":"FP64"}]}'],
    [
      "a shape that is larger than the body",
      '{"inputs":[{"name":"x","shape":[999999999],"datatype":"FP64","data":[1]}]}',
    ],
    ["an empty shape", '{"inputs":[{"name":"x","shape":[0],"datatype":"FP64","data":[]}]}'],
    [
      "a whole number that a double cannot hold",
      '{"inputs":[{"name":"x","shape":[1],"datatype":"FP64","data":[9007199254740993]}]}',
    ],
  ])("%s is left to the general reader", (_, text) => {
    expect(plain(text, oneInput("FP64"))).toBeUndefined();
  });
});
