import { asEpochMicros, type Id } from "@portolan/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BlockTrees, encodeBlockEnd, genesisRoot, openBlock } from "./block.ts";
import type { PredictionContext, PredictionRecord } from "./contract.ts";
import { encodeFrame, frameAt, frameKinds, openFrame } from "./frame.ts";
import { maxFrameBytes } from "./limits.ts";
import { formatPredictionId, parsePredictionId } from "./position.ts";
import {
  decodeEntry,
  forms,
  fullEntry,
  isCorrupt,
  leafOf,
  prepareRecord,
  readEntries,
  withheldEntry,
  writeEntry,
} from "./record-codec.ts";

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
const body = fc.record({ mediaType: fc.string({ maxLength: 50 }), bytes: fc.uint8Array({ maxLength: 300 }) });
const records: fc.Arbitrary<PredictionRecord> = fc.record(
  {
    context: fc.constant(context),
    principal: fc.string({ maxLength: 60 }),
    requestId: fc.string({ maxLength: 60, unit: "grapheme" }),
    receivedAt: fc.nat().map(asEpochMicros),
    latency: fc.record({ totalMicros: fc.nat() }),
    status: fc.constant({ kind: "ok" } as const),
    inputs: body,
    outputs: body,
    subject: fc.string({ unit: "grapheme" }),
  },
  { requiredKeys: ["context", "principal", "requestId", "receivedAt", "latency", "status"] },
);

function entryOf(record: PredictionRecord, index: number): Buffer {
  const prepared = prepareRecord(formatPredictionId({ writerId, epoch: 1, block: 0, index }), record);
  const bytes = Buffer.alloc(prepared.entryBytes, 7);
  expect(writeEntry(bytes, 0, index, prepared)).toBe(bytes.length);
  return bytes;
}

function aBlock(list: readonly PredictionRecord[]): Buffer {
  const raw = Buffer.concat(list.map(entryOf));
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
        const [entry] = [...readEntries(entryOf(record, 9))];
        if (!entry) throw new Error("no entry");
        expect(fullEntry(entry)).toEqual(entryOf(record, 9));
        const { header, payload } = decodeEntry(entry);
        expect(header.principal).toBe(record.principal);
        expect(header.requestId).toBe(record.requestId);
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
    const bytes = entryOf({ ...record, receivedAt: asEpochMicros(1), latency: { totalMicros: 1 } }, 0);
    const [entry] = [...readEntries(bytes)];
    expect(entry && decodeEntry(entry).header.requestId).toHaveLength(200);
  });

  test("erasing a payload leaves the leaf as it was (P6)", () => {
    fc.assert(
      fc.property(records, (record) => {
        const [entry] = [...readEntries(entryOf(record, 0))];
        if (!entry) throw new Error("no entry");
        const [erased] = [...readEntries(withheldEntry(entry, forms.erased))];
        if (!erased) throw new Error("no entry");
        expect(leafOf(erased)).toEqual(leafOf(entry));
        expect(decodeEntry(erased)).toEqual({ header: decodeEntry(entry).header, withheld: "erased" });
      }),
    );
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
