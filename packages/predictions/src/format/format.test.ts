import { readFileSync } from "node:fs";
import { zstdDecompressSync } from "node:zlib";
import { asEpochMicros, type Id } from "@portolan/kernel";
import { rootOfLeaves, toHex } from "@portolan/merkle";
import { Compile, Type } from "@portolan/typebox";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type BodyBytes,
  type PredictionContext,
  PredictionHeader,
  type PredictionRecord,
} from "../contract.ts";
import { EntryHasher } from "../writer/entry-hasher.ts";
import { Batch } from "./batch.ts";
import { BlockTrees, encodeBlockEnd, genesisRoot, openBlock } from "./block.ts";
import { EntryPacker } from "./entry-packer.ts";
import { encodeFrame, frameAt, frameKinds, openFrame, scanFrames, unsealFrames } from "./frame.ts";
import { FrameCompressor } from "./frame-compressor.ts";
import { FrameSealer } from "./frame-sealer.ts";
import { maxFrameBytes } from "./limits.ts";
import { formatPredictionId, parsePredictionId } from "./position.ts";
import { closedBlocks } from "./reader.ts";
import {
  decodeEntry,
  formAt,
  forms,
  isCorrupt,
  leafOf,
  readEntries,
  type StoredEntry,
} from "./record-codec.ts";
import { prepareRecord } from "./record-encoder.ts";
import { hashBytes } from "./record-leaf.ts";

const writerId = "wr_0mwr2jm00abcdefghjkmnpqrst" as Id<"writer">;
const context: PredictionContext = {
  organisationId: "org_0mwr2jm00abcdefghjkmnpqrst",
  useCaseId: "uc_0mwr2jm00abcdefghjkmnpqrst",
  endpoint: "delays",
  environment: "production",
  variant: "champion",
  snapshotVersion: 1,
  costTags: {},
};

const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
/** Instants whose fractions of a second begin with zeros, or have none. */
const aroundSeconds = fc
  .tuple(fc.integer({ min: 0, max: 4_000_000_000 }), fc.constantFrom(0, 1, 99, 1000, 10_000, 999_999))
  .map(([seconds, micros]) => seconds * 1_000_000 + micros);
const body = fc.record({ mediaType: fc.string({ maxLength: 50 }), bytes: fc.uint8Array({ maxLength: 300 }) });
const records: fc.Arbitrary<PredictionRecord> = fc.record(
  {
    context: fc.constant(context),
    principal: fc.string({ maxLength: 60 }),
    requestId: fc.string({ maxLength: 60, unit: "grapheme" }),
    receivedAt: fc.oneof(fc.nat(), fc.maxSafeNat(), aroundSeconds).map(asEpochMicros),
    latency: fc.record({ totalMicros: fc.nat() }),
    status: fc.constant({ kind: "ok" } as const),
    inputs: body,
    outputs: body,
    bytes: fc.record(
      { in: fc.maxSafeNat(), out: fc.maxSafeNat(), outside: fc.constant(true) },
      { requiredKeys: ["in", "out"] },
    ),
    subject: fc.string({ unit: "grapheme" }),
  },
  { requiredKeys: ["context", "principal", "requestId", "receivedAt", "latency", "status"] },
);

/** A frame as the writer lays it; what the log thread would fill with salt holds sevens. */
function frameOf(list: readonly PredictionRecord[]): Buffer {
  const batch = new Batch(0, "buffered", Buffer.alloc(64, 7));
  for (const [index, record] of list.entries())
    batch.add(index, prepareRecord(formatPredictionId({ writerId, epoch: 1, block: 0, index }), record));
  return Buffer.from(batch.detach(), 0, batch.length);
}

/** By form: the text could be anywhere, for the places of salts hold whatever the memory held. */
function contextsIn(raw: Buffer): number {
  let count = 0;
  for (let at = 0; at < raw.length; at += 4 + raw.readUInt32LE(at))
    if (raw[at + formAt] === forms.context) count++;
  return count;
}

function only(raw: Buffer): StoredEntry {
  const [entry, ...others] = [...readEntries(raw)];
  if (!entry || others.length > 0) throw new Error("not one entry");
  return entry;
}

function aBlock(list: readonly PredictionRecord[]): Buffer {
  const raw = frameOf(list);
  const trees = new BlockTrees();
  for (const entry of readEntries(raw)) trees.add(entry.organisationId, leafOf(entry));
  const end = encodeBlockEnd({
    version: 1,
    writer: writerId,
    epoch: 1,
    block: 0,
    previousRoot: genesisRoot,
    closedAt: 5,
    sealed: false,
    count: trees.count,
    organisations: trees.roots(),
  });
  const at = { epoch: 1, block: 0 };
  return Buffer.concat([
    encodeFrame({ ...at, kind: frameKinds.records, count: list.length }, raw),
    encodeFrame({ ...at, kind: frameKinds.blockEnd, count: 0 }, end),
  ]);
}

describe("prediction ids (P1)", () => {
  test("an id reads back as its position", () => {
    fc.assert(
      fc.property(uint32, uint32, uint32, (epoch, block, index) => {
        const position = { writerId, epoch, block, index };
        expect(parsePredictionId(formatPredictionId(position))).toEqual(position);
      }),
    );
  });

  test("an id has one written form", () => {
    const id = formatPredictionId({ writerId, epoch: 1, block: 2, index: 3 });
    for (const other of [
      id.replace("_1_", "_01_"),
      id.toUpperCase(),
      `${id} `,
      id.replace("_3", "_zzzzzzz"),
    ]) {
      expect(parsePredictionId(other)).toBeUndefined();
    }
  });
});

describe("records (P4, P5)", () => {
  test("a record reads back as it was written, in any language", () => {
    fc.assert(
      fc.property(records, (record) => {
        const raw = frameOf([record]);
        const entry = only(raw);
        const packer = new EntryPacker();
        packer.add(entry);
        expect(packer.drain()).toEqual([{ raw, count: 1 }]);
        const { header, payload } = decodeEntry(entry);
        expect(header.principal).toBe(record.principal);
        expect(header.requestId).toBe(record.requestId);
        expect(header.bytes).toEqual(record.bytes);
        expect(payload?.subject).toBe(record.subject);
        expect(payload?.inputs?.bytes.length).toBe(record.inputs?.bytes.length);
        if (record.outputs) {
          expect(Buffer.from(payload?.outputs?.bytes ?? []).equals(record.outputs.bytes)).toBe(true);
        }
      }),
    );
  });

  test("an over-long request id is clipped, and the request is still logged", () => {
    const record = { context, principal: "p", requestId: "x".repeat(9999), status: { kind: "ok" } as const };
    const raw = frameOf([{ ...record, receivedAt: asEpochMicros(1), latency: { totalMicros: 1 } }]);
    expect(decodeEntry(only(raw)).header.requestId).toHaveLength(200);
  });

  test("a reader of before takes records with bytes; what is no count of them never reaches a reader (P26)", () => {
    const before = Compile(Type.Omit(PredictionHeader, ["bytes"]));
    const of = (bytes: BodyBytes) => {
      const record = { context, principal: "p", requestId: "r", status: { kind: "ok" } as const, bytes };
      const raw = frameOf([{ ...record, receivedAt: asEpochMicros(1), latency: { totalMicros: 1 } }]);
      return decodeEntry(only(raw)).header;
    };
    expect(before.Check(of({ in: 12, out: 34, outside: true }))).toBe(true);
    expect(of({ in: 12, out: 34, outside: false }).bytes).toEqual({ in: 12, out: 34 });
    expect(of({ in: Number.POSITIVE_INFINITY, out: -1 }).bytes).toEqual({
      in: Number.MAX_SAFE_INTEGER,
      out: 0,
    });
    expect(of({ in: Number.NaN, out: 2 ** 60 }).bytes).toEqual({ in: 0, out: Number.MAX_SAFE_INTEGER });
  });

  test("erasing a payload leaves the leaf as it was (P6)", () => {
    fc.assert(
      fc.property(records, (record) => {
        const entry = only(frameOf([record]));
        const packer = new EntryPacker();
        packer.add(entry, "erased");
        const erased = only(packer.drain()[0]?.raw ?? Buffer.alloc(0));
        expect(leafOf(erased)).toEqual(leafOf(entry));
        expect(decodeEntry(erased)).toEqual({ header: decodeEntry(entry).header, withheld: "erased" });
      }),
    );
  });
});

describe("contexts (P4)", () => {
  const others = ["org_0mwr2jm00zzzzzzzzzzzzzzzzz", "org_0mwr2jm00yyyyyyyyyyyyyyyyy"].map(
    (organisationId) => ({
      ...context,
      organisationId,
      costTags: { städte: "Zürich ✈" },
    }),
  );

  test("a frame holds a context once, and each record gets its own back", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(records, fc.nat(2)), { minLength: 1, maxLength: 20 }), (list) => {
        const raw = frameOf(list.map(([record, n]) => ({ ...record, context: others[n] ?? context })));
        const entries = [...readEntries(raw)];
        expect(entries.map((entry) => decodeEntry(entry).header.context)).toEqual(
          list.map(([, n]) => others[n] ?? context),
        );
        expect(contextsIn(raw)).toBe(new Set(list.map(([, n]) => n)).size);
      }),
    );
  });

  test("the log thread's quick walk makes the roots that a reader checks, and those of the Merkle package", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(records, fc.nat(2)), { minLength: 1, maxLength: 40 }), (list) => {
        const raw = frameOf(list.map(([record, n]) => ({ ...record, context: others[n] ?? context })));
        const quick = new BlockTrees();
        new EntryHasher().addAll(raw, quick);
        const read = new Map<string, Buffer[]>();
        for (const entry of readEntries(raw)) {
          const leaves = read.get(entry.organisationId) ?? [];
          read.set(entry.organisationId, [...leaves, hashBytes(leafOf(entry))]);
        }
        for (const { id, count, root } of quick.roots()) {
          expect(count).toBe(read.get(id)?.length);
          expect(root).toBe(toHex(rootOfLeaves(read.get(id) ?? [])));
        }
        expect(quick.count).toBe(list.length);
      }),
    );
  });

  test("numbers that no header may hold are mended, so that no record stops the chain at control", () => {
    const broken = { totalMicros: Number.NaN, runMicros: 3.7, authMicros: -1 };
    const raw = frameOf([
      {
        context,
        principal: "p",
        requestId: "r",
        receivedAt: asEpochMicros(1),
        latency: broken,
        status: { kind: "error", httpStatus: 500, reason: "x".repeat(999) },
      },
    ]);
    const { header } = decodeEntry(only(raw));
    expect(header.latency).toEqual({ totalMicros: 0, runMicros: 4, authMicros: 0 });
    expect(header.status).toMatchObject({ httpStatus: 500 });
  });
});

describe("compression (P3)", () => {
  test("the compressor that keeps its memory makes frames that stand alone, of any size and in any order", () => {
    const compressor = new FrameCompressor();
    expect(compressor.keepsMemory).toBe(true);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), fc.nat(40), (bytes, times) => {
        const raw = Buffer.concat(Array.from({ length: times + 1 }, () => bytes));
        expect(zstdDecompressSync(compressor.compress(raw)).equals(raw)).toBe(true);
      }),
    );
  });
});

describe("sealed frames (P23)", () => {
  test("frames of one stream open alone, in any order, and show nothing without their key", () => {
    const lengths = fc.array(fc.nat(9000), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(lengths, fc.uint8Array({ minLength: 32, maxLength: 32 }), (list, keyBytes) => {
        const key = Buffer.from(keyBytes);
        const sealer = new FrameSealer(key);
        const raws = list.map((length, i) => Buffer.alloc(length, `personal ${i} `));
        const bytes = Buffer.concat(
          raws.map((raw, i) => encodeFrame({ kind: 1, epoch: 1, block: i, count: 1 }, raw, sealer)),
        );
        expect(bytes.includes("personal")).toBe(false);
        const frames = [...scanFrames(bytes)];
        expect(frames.toReversed().map((frame) => openFrame(frame, key))).toEqual(raws.toReversed());
        expect(() => frames.map((frame) => openFrame(frame))).toThrow("predictions.corrupt");
        const clear = [...scanFrames(unsealFrames(bytes, key))];
        expect(clear.map((frame) => openFrame(frame))).toEqual(raws);
      }),
      { numRuns: 50 },
    );
  });
});

describe("version 1", () => {
  test("a segment that an older gateway wrote reads as before, and its chain and roots hold", () => {
    const bytes = readFileSync(new URL("../../test/fixtures/version-1.seg", import.meta.url));
    const blocks = [...closedBlocks(bytes)].map((closed) => openBlock(closed.bytes));
    const entries = blocks.flatMap((block) => block.entries);
    expect(entries.map((entry) => decodeEntry(entry).header.requestId)).toEqual(
      [0, 1, 2, 3, 4, 5].map((n) => `req-${n}`),
    );
    expect(entries.map((entry) => decodeEntry(entry).payload?.subject)).toEqual(
      [0, 1, 2, 3, 4, 5].map((n) => `flight-${n}`),
    );
    const packer = new EntryPacker();
    for (const entry of entries) packer.add(entry, entry.index === 2 ? "erased" : undefined);
    const again = packer.drain().flatMap(({ raw }) => [...readEntries(raw)]);
    expect(again.map(leafOf)).toEqual(entries.map(leafOf));
    expect(again.map(({ withheld }) => withheld)).toEqual([
      undefined,
      undefined,
      "erased",
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe("hostile bytes", () => {
  const good = aBlock(
    [1, 2, 3].map((n) => ({
      context,
      principal: "p",
      requestId: `r${n}`,
      receivedAt: asEpochMicros(n),
      latency: { totalMicros: n },
      status: { kind: "ok" },
      inputs: { mediaType: "application/json", bytes: Buffer.from("[1,2,3]".repeat(100)) },
    })),
  );

  const outcome = (bytes: Buffer): "opened" | "corrupt" => {
    try {
      openBlock(bytes);
      return "opened";
    } catch (error) {
      if (isCorrupt(error)) return "corrupt";
      throw error;
    }
  };

  test("the good block opens, and no single changed byte goes unseen", () => {
    expect(outcome(good)).toBe("opened");
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good);
      bad.writeUInt8(bad.readUInt8(at) ^ 0x41, at);
      expect(outcome(bad)).toBe("corrupt");
    }
  });

  test("a cut or prolonged block is corrupt", () => {
    for (let length = 0; length < good.length; length++)
      expect(outcome(good.subarray(0, length))).toBe("corrupt");
    expect(outcome(Buffer.concat([good, Buffer.alloc(1)]))).toBe("corrupt");
  });

  test("any bytes behind a valid checksum give entries or the one error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        const raw = Buffer.from(bytes);
        try {
          for (const entry of readEntries(raw)) decodeEntry(entry);
        } catch (error) {
          if (!isCorrupt(error)) throw error;
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("a frame that declares more than a frame may hold is not one, and a bomb stops at its declared length", () => {
    const frame = encodeFrame({ kind: 1, epoch: 1, block: 0, count: 1 }, Buffer.alloc(1_000_000));
    const lying = Buffer.from(frame);
    lying.writeUInt32LE(maxFrameBytes + 1, 20);
    expect(frameAt(lying, 0)).toBeUndefined();
    const parsed = frameAt(frame, 0);
    if (!parsed) throw new Error("no frame");
    expect(() => openFrame({ ...parsed, rawBytes: 1000 })).toThrow("predictions.corrupt");
  });
});
