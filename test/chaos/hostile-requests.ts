import { messages } from "@portolan/serving/policy";

export type Random = () => number;

/** One request that a careless or a hostile client sends. */
export interface HostileRequest {
  readonly path: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export function whole(random: Random, below: number): number {
  return Math.floor(random() * below);
}

export function pick<T>(random: Random, from: readonly [T, ...T[]]): T {
  return from[whole(random, from.length)] ?? from[0];
}

const score = { name: "x", shape: [1, 2], datatype: "FP32", data: [1, 2] };
const valid: readonly [object, ...object[]] = [
  { id: "r", inputs: [score] },
  { inputs: [score], outputs: [{ name: "score", parameters: { binary_data: true } }] },
  { parameters: { binary_data_output: true }, inputs: [{ ...score, data: [[1, 2]] }] },
];
const validRows = { instances: [[1, 2]] };

/** Values that stand where others belong: the edges of numbers, depths, names and types. */
const strange: readonly [unknown, ...unknown[]] = [
  null,
  true,
  -1,
  0,
  1e308,
  -0,
  2 ** 53,
  2 ** 31,
  1.5,
  "",
  "__proto__",
  "constructor",
  "\u0000",
  "\ud800",
  "x".repeat(5000),
  [],
  {},
  [[]],
  [null],
  [[1], 2],
  { __proto__: null, toString: 1 },
  [-1, -1],
  [9007199254740991, 9007199254740991],
  [0],
  Array.from({ length: 2000 }, () => 1),
];

const strangeNames = [
  "",
  "__proto__",
  "constructor",
  "data",
  "binary_data_size",
  "\u0000",
  "x".repeat(5000),
] as const;

/** A copy in which one member, somewhere, is another value, is missing or is there under another name. */
function damaged(random: Random, value: unknown): unknown {
  if (random() < 0.25 || typeof value !== "object" || value === null) return pick(random, strange);
  if (Array.isArray(value)) {
    if (value.length === 0) return [pick(random, strange)];
    const at = whole(random, value.length);
    if (random() < 0.2) return [...value, ...value];
    return value.map((item, index) => (index === at ? damaged(random, item) : item));
  }
  const entries = Object.entries(value);
  const at = whole(random, entries.length);
  return Object.fromEntries(
    entries.flatMap(([key, item], index) => {
      if (index !== at) return [[key, item]];
      const what = random();
      if (what < 0.15) return [];
      return [[what < 0.25 ? pick(random, strangeNames) : key, damaged(random, item)]];
    }),
  );
}

/** Texts that no serialiser writes. */
function bomb(random: Random): string {
  const depth = 10 ** (1 + whole(random, 5));
  return pick<() => string>(random, [
    () => "[".repeat(depth),
    () => `${'{"inputs":'.repeat(depth)}1${"}".repeat(depth)}`,
    () => `{"inputs":[${JSON.stringify(score)}],"inputs":[]}`,
    () => `{"inputs":[{"name":"x","name":"y"}]}`,
    () => `{${Array.from({ length: 3000 }, (_, index) => `"k${index}":1`).join(",")}}`,
    () => `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[${"9".repeat(400)},1]}]}`,
    () => `{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1e999,NaN]}]}`,
    () => `{"inputs":[{"name":"x","shape":[${"1,".repeat(2000)}2],"datatype":"FP32","data":[1,2]}]}`,
    () => `{"id":"${"\\u0061".repeat(3000)}","inputs":[${JSON.stringify(score)}]}`,
    () => `\ufeff${JSON.stringify(valid[0])}`,
    () => JSON.stringify(valid[0]).replaceAll('"', "'"),
    () => `${JSON.stringify(valid[0])} ${JSON.stringify(valid[0])}`,
  ])();
}

/** Flips, inserts, removes, repeats or cuts bytes. */
export function mangled(random: Random, bytes: Uint8Array): Uint8Array {
  let out = Buffer.from(bytes);
  for (let edits = 1 + whole(random, 4); edits > 0; edits--) {
    const at = whole(random, out.length + 1);
    const some = Buffer.from(Array.from({ length: 1 + whole(random, 8) }, () => whole(random, 256)));
    out = pick<() => Buffer<ArrayBuffer>>(random, [
      () => Buffer.concat([out.subarray(0, at), some, out.subarray(at)]),
      () => Buffer.concat([out.subarray(0, at), out.subarray(at + some.length)]),
      () => Buffer.concat([out.subarray(0, at), some, out.subarray(at + some.length)]),
      () => out.subarray(0, at),
      () => Buffer.concat([out, out.subarray(at)]),
    ])();
  }
  return out;
}

/** JSON that is valid, damaged in one member, mangled in its bytes, or no JSON at all. */
export function hostileJson(random: Random, from: object): Uint8Array {
  const kind = random();
  if (kind < 0.15) return Buffer.from(bomb(random));
  const text = JSON.stringify(kind < 0.7 ? damaged(random, from) : from) ?? "";
  return kind < 0.6 ? Buffer.from(text) : mangled(random, Buffer.from(text));
}

const headerLengths = [
  "0",
  "1",
  "-1",
  "99999999999",
  "1e2",
  "",
  " 12",
  "abc",
  "18446744073709551616",
] as const;

/** JSON with raw tensors behind it, of which the one or the other is wrong. */
function binary(random: Random): Omit<HostileRequest, "path"> {
  const size = pick(random, [8, 8, 4, 0, 1e9, -8, 1.5] as const);
  const head = { inputs: [{ ...score, data: undefined, parameters: { binary_data_size: size } }] };
  const text = Buffer.from(JSON.stringify(random() < 0.5 ? head : damaged(random, head)) ?? "");
  const tail = Buffer.from(Array.from({ length: whole(random, 20) }, () => whole(random, 256)));
  const stated = random() < 0.6 ? String(text.length) : pick(random, headerLengths);
  const body = Buffer.concat([text, tail]);
  return {
    body: random() < 0.5 ? body : mangled(random, body),
    headers: { "inference-header-content-length": stated },
  };
}

/** Over REST: JSON, JSON with binary tensors, V1, wrong encodings, paths that lead nowhere. */
export function hostileRequest(random: Random): HostileRequest {
  const v2 = "/v2/models/score/infer";
  return pick<() => HostileRequest>(random, [
    () => ({ path: v2, headers: {}, body: hostileJson(random, pick(random, valid)) }),
    () => ({ path: v2, headers: {}, body: hostileJson(random, pick(random, valid)) }),
    () => ({ path: v2, ...binary(random) }),
    () => ({ path: v2, ...binary(random) }),
    () => ({ path: "/v1/models/score:predict", headers: {}, body: hostileJson(random, validRows) }),
    () => ({
      path: v2,
      headers: { "content-encoding": pick(random, ["gzip", "deflate", "br", "gzip, gzip", "x"]) },
      body: hostileJson(random, pick(random, valid)),
    }),
    () => ({
      path: `/v2/models/${pick(random, ["%00", "%ff", "..%2f", "a/b", "score/versions/-1", "x".repeat(300)])}/infer`,
      headers: {},
      body: hostileJson(random, pick(random, valid)),
    }),
    () => ({
      path: v2,
      headers: { "x-portolan-on-behalf-of": "x" },
      body: hostileJson(random, pick(random, valid)),
    }),
  ])();
}

const typed = { name: "x", datatype: "FP32", shape: [1, 2], contents: { fp32_contents: [1, 2] } };

/** A prediction as it should be asked for. */
export const goodMessage: Uint8Array = messages.inferRequest.encode({
  model_name: "score",
  model_version: "",
  id: "",
  parameters: {},
  inputs: [typed] as never,
  outputs: [],
  raw_input_contents: [],
});

/** Over gRPC: messages whose bytes are wrong, and messages whose content is. */
export function hostileMessage(random: Random): Uint8Array {
  const shape = pick(random, [[1, 2], [1, 3], [-1, 2], [], [2 ** 40, 2 ** 40], [0, 2], [1]]);
  const contents = pick<object | undefined>(random, [
    { fp32_contents: [1, 2] },
    { fp32_contents: [1] },
    { int64_contents: [1, 2] },
    { fp32_contents: [1, 2], bool_contents: [true] },
    undefined,
  ]);
  const raw = pick<readonly Uint8Array[]>(random, [
    [],
    [new Uint8Array(8)],
    [new Uint8Array(7)],
    [new Uint8Array(8), new Uint8Array(8)],
  ]);
  const datatype = pick(random, ["FP32", "FP32", "FP64", "", "BYTES", "constructor"]);
  const message = messages.inferRequest.encode({
    model_name: pick(random, ["score", "score", "score", "missing", "", "\u0000"]),
    model_version: pick(random, ["", "1", "9", "x"]),
    id: pick(random, ["", "r", "x".repeat(300)]),
    parameters: {},
    inputs: pick<readonly object[]>(random, [
      [{ ...typed, shape, datatype, ...(contents ? { contents } : { contents: undefined }) }],
      [typed],
      [],
      [typed, typed],
      [{ ...typed, name: "y" }],
    ]) as never,
    outputs: [],
    raw_input_contents: raw,
  });
  // What is well-formed must get its answer beside all that.
  if (random() < 0.1) return goodMessage;
  return random() < 0.6 ? mangled(random, message) : message;
}

/** Of the text of a refusal over gRPC, which has no field for it: what went wrong, and then, as a sentence of its own, what to do. */
export function saysHowToMend(text: string): boolean {
  return /^.+[.!?] \S.+[.!?]$/s.test(text);
}
