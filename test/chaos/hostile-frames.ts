import { mangled, pick, type Random, whole } from "./hostile-requests.ts";

/** What is written on one connection, piece by piece, and how the client takes its leave. */
export interface Written {
  readonly pieces: readonly Uint8Array[];
  /** `end`: when nothing comes back any more. `reset`: at once, whatever it has not read. */
  readonly leave: "end" | "reset";
  /** For messages of failed tests. */
  readonly kind: string;
}

/** Cut at random places, so that it comes in as many reads: in the middle of a header, a chunk's length, a frame. */
export function inPieces(random: Random, bytes: Uint8Array): Uint8Array[] {
  const cuts = Array.from({ length: whole(random, 5) }, () => whole(random, bytes.length + 1)).toSorted(
    (a, b) => a - b,
  );
  const pieces = [0, ...cuts].map((from, at) => bytes.subarray(from, cuts[at] ?? bytes.length));
  return pieces.filter(({ length }) => length > 0);
}

const body = '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}';

/** The body in chunks, of which one may be wrong in its length, its end or its order. */
function chunked(random: Random): string {
  const sizes = [
    (length: number) => length.toString(16),
    (length: number) => `000${length.toString(16).toUpperCase()}`,
    (length: number) => `${length.toString(16)};name="v"`,
    (length: number) => (length + 1).toString(16),
    (length: number) => (length - 1).toString(16),
    () => "ffffffffffffffffff",
    () => "-1",
    () => "zz",
    () => "",
    (length: number) => `0x${length.toString(16)}`,
    (length: number) => `${length.toString(16)}\t`,
    (length: number) => `${length.toString(16)};${"e".repeat(20_000)}`,
  ] as const;
  const cut = 1 + whole(random, body.length - 1);
  const isWrong = random() < 0.7;
  const chunks = [body.slice(0, cut), body.slice(cut)].map((text) => {
    const size = isWrong ? pick(random, sizes)(text.length) : text.length.toString(16);
    return `${size}\r\n${text}${isWrong ? pick(random, ["\r\n", "\r\n", "", "\n", "\r\r\n"]) : "\r\n"}`;
  });
  const ends = [
    "0\r\n\r\n",
    "0\r\n\r\n",
    "0\r\nx-trailer: y\r\n\r\n",
    "0\r\ncontent-length: 5\r\n\r\n",
    "0\r\n",
    "",
    "0\r\n\r\n0\r\n\r\n",
  ] as const;
  return chunks.join("") + (isWrong ? pick(random, ends) : "0\r\n\r\n");
}

function lengths(random: Random): string {
  const { length } = body;
  return pick(random, [
    `content-length: ${length}`,
    `content-length: ${length - 1}`,
    `content-length: ${length + 1}`,
    `content-length: ${length}\r\ncontent-length: ${length}`,
    `content-length: ${length}\r\ncontent-length: ${length + 1}`,
    `content-length: ${length}, ${length}`,
    `content-length: +${length}`,
    `content-length: 0x46`,
    `content-length:${" ".repeat(50)}${length}`,
    `content-length : ${length}`,
    `Content-Length: ${length}\r\ntransfer-encoding: chunked`,
    "content-length: 99999999999999999999",
    "content-length: -1",
    "content-length: ",
    "x: no length",
  ]);
}

const codings = [
  "chunked",
  "chunked",
  "chunked",
  "Chunked",
  "gzip, chunked",
  "chunked, chunked",
  "x",
  "\tchunked",
];

/** Over HTTP/1.1: what says where a body ends says it wrong, twice or not at all; the rest comes late, or never. */
export function hostileHttp(random: Random, apiKey: string): Written {
  const head = (framing: string): string =>
    `POST /v2/models/score/infer HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${apiKey}\r\n${framing}\r\n\r\n`;
  const isChunked = random() < 0.5;
  const coding = codings[whole(random, codings.length)] ?? "chunked";
  const one = isChunked
    ? head(`transfer-encoding: ${coding}`) + chunked(random)
    : head(lengths(random)) + body;
  const second = `${head(`content-length: ${body.length}\r\nconnection: close`)}${body}`;
  // What is well-formed, in pieces and late, must get its answer beside all that.
  if (random() < 0.15) return { kind: "good", pieces: inPieces(random, Buffer.from(second)), leave: "end" };
  const how = random();
  const bytes = Buffer.from(how < 0.2 ? one + second : one, "latin1");
  const sent =
    how < 0.35 ? mangled(random, bytes) : how < 0.5 ? bytes.subarray(0, whole(random, bytes.length)) : bytes;
  return {
    kind: isChunked ? "chunked" : "length",
    pieces: inPieces(random, sent),
    leave: random() < 0.8 ? "end" : "reset",
  };
}

/** RFC 9113, section 6. */
const frameTypes = {
  data: 0,
  headers: 1,
  rst: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  window: 8,
  continuation: 9,
};

function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array,
  stated = payload.length,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(stated & 0xffffff, 0, 3);
  head.writeUInt8(type & 0xff, 3);
  head.writeUInt8(flags & 0xff, 4);
  head.writeUInt32BE(stream >>> 0, 5);
  return Buffer.concat([head, payload]);
}

/** RFC 7541, section 5.1: an integer behind seven bits. */
function hpackLength(length: number): number[] {
  if (length < 127) return [length];
  const bytes = [127];
  let left = length - 127;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) | 128);
  return [...bytes, left];
}

/** Fields as literals without a table and without Huffman's code. */
function hpack(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    fields.flatMap((field) => [
      Buffer.from([0]),
      ...field.map((text) =>
        Buffer.concat([Buffer.from(hpackLength(text.length)), Buffer.from(text, "latin1")]),
      ),
    ]),
  );
}

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export type Fields = readonly (readonly [string, string])[];

/** One request as HTTP/2 frames, before anything is wrong with it. */
function frames(random: Random, fields: Fields, content: Uint8Array): Buffer[] {
  const cut = whole(random, content.length + 1);
  const block = hpack(fields);
  const half = whole(random, block.length + 1);
  const headers =
    random() < 0.5
      ? [frame(frameTypes.headers, 4, 1, block)]
      : [
          frame(frameTypes.headers, 0, 1, block.subarray(0, half)),
          frame(frameTypes.continuation, 4, 1, block.subarray(half)),
        ];
  return [
    frame(frameTypes.settings, 0, 0, Buffer.alloc(0)),
    ...headers,
    frame(frameTypes.data, 0, 1, content.subarray(0, cut)),
    frame(frameTypes.data, 1, 1, content.subarray(cut)),
  ];
}

function strangeFrame(random: Random): Buffer {
  const some = Buffer.from(Array.from({ length: whole(random, 40) }, () => whole(random, 256)));
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value >>> 0);
    return bytes;
  };
  return pick<() => Buffer>(random, [
    () => frame(whole(random, 256), whole(random, 256), whole(random, 8), some),
    () => frame(frameTypes.data, 9, 1, Buffer.from([200, 1, 2])), // more padding than there is
    () => frame(frameTypes.data, 1, pick(random, [0, 2, 3, 2 ** 31 - 1]), some),
    () => frame(frameTypes.rst, 0, pick(random, [0, 1, 5]), number(8)),
    () => frame(frameTypes.settings, 0, 0, Buffer.concat([Buffer.from([0, 4]), number(2 ** 31)])),
    () => frame(frameTypes.settings, 0, 0, Buffer.concat([Buffer.from([0, 5]), number(1)])),
    () => frame(frameTypes.settings, 1, 0, some),
    () => frame(frameTypes.ping, 0, 0, some),
    () => frame(frameTypes.goAway, 0, 0, Buffer.concat([number(1), number(0)])),
    () => frame(frameTypes.window, 0, pick(random, [0, 1]), number(pick(random, [0, 2 ** 31 - 1]))),
    () => frame(frameTypes.continuation, 4, 1, some),
    () => frame(frameTypes.headers, 5, 1, some),
    () => frame(frameTypes.data, 0, 1, some, 2 ** 24 - 1),
  ])();
}

/** Over HTTP/2: frames that do not belong, are missing, out of order, longer or shorter than they say, or no frames at all. */
export function hostileHttp2(random: Random, fields: Fields, content: Uint8Array): Written {
  const all = frames(random, fields, content);
  for (let edits = 1 + whole(random, 3); edits > 0; edits--) {
    const at = whole(random, all.length + 1);
    pick<() => unknown>(random, [
      () => all.splice(at, 0, strangeFrame(random)),
      () => all.splice(at, 0, strangeFrame(random)),
      () => all.splice(at, 1),
      () => all.splice(at, 0, ...all.splice(whole(random, all.length), 1)),
      () => all.splice(at, 1, ...all.slice(at, at + 1).map((one) => Buffer.from(mangled(random, one)))),
    ])();
  }
  return {
    kind: "frames",
    pieces: inPieces(random, Buffer.concat([preface, ...all])),
    leave: random() < 0.8 ? "end" : "reset",
  };
}

function prefixed(message: Uint8Array, flag = 0, stated = message.length): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flag, 0);
  head.writeUInt32BE(stated >>> 0, 1);
  return Buffer.concat([head, message]);
}

/** Over gRPC: messages behind prefixes that are wrong, several where one belongs, none, and some that end too early. */
export function hostileMessages(random: Random, message: Uint8Array): Written {
  const one = prefixed(message);
  const bytes = pick<() => Uint8Array>(random, [
    () => one,
    () => one,
    () => one,
    () => prefixed(message, pick(random, [1, 2, 255])),
    () => prefixed(message, 0, message.length + pick(random, [1, -1, 1000])),
    () => prefixed(message, 0, pick(random, [0, 2 ** 31, 2 ** 32 - 1, 65 * 2 ** 20])),
    () => Buffer.concat([one, one]),
    () => Buffer.concat([one, prefixed(Buffer.alloc(0)), one]),
    () => one.subarray(0, whole(random, one.length)),
    () => Buffer.alloc(0),
    () => mangled(random, one),
  ])();
  return {
    kind: "prefixes",
    pieces: inPieces(random, bytes),
    leave: random() < 0.8 ? "end" : "reset",
  };
}
