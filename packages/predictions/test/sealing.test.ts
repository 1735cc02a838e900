import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDuckDbEngine } from "@portolan/duckdb";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ArchiveFile } from "../src/archive/archive-file.ts";
import { archivePredictions } from "../src/archive/archive-predictions.ts";
import { openTails, sealTails } from "../src/archive/archive-sealing.ts";
import { listArchives } from "../src/archive/archive-store.ts";
import type { PredictionId } from "../src/contract.ts";
import { acceptBlocks } from "../src/control/accept-blocks.ts";
import { erasePredictions } from "../src/control/erase-predictions.ts";
import { getPrediction, provePrediction } from "../src/control/read-predictions.ts";
import { LogKeys } from "../src/format/log-keys.ts";
import { findPrediction, readLog } from "../src/format/reader.ts";
import { listSegments } from "../src/format/segment.ts";
import { verifyPredictionProof } from "../src/policy.ts";
import { createShipper } from "../src/shipping/shipper.ts";
import { sealDeadWriter } from "../src/writer/recovery.ts";
import { openPredictionWriter } from "../src/writer/writer.ts";
import { startTestControl, type TestControl } from "./control.ts";
import { deliverOverHttp } from "./http-delivery.ts";
import { aContext, aRecord, clock, organisationId, writerId } from "./records.ts";

const base = mkdtempSync(join(tmpdir(), "predictions-sealed-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));
let folder: string;
let keysFolder: string;
beforeEach(() => {
  folder = mkdtempSync(join(base, "log-"));
  keysFolder = `${folder}.keys`;
});

const open = () => openPredictionWriter({ folder, keysFolder, writerId, clock, reserveBytes: 4096 });
/** What a thief of the disk would look for. */
const personal = (path: string): boolean => {
  const bytes = readFileSync(path);
  return bytes.includes("KJFK") || bytes.includes("flight-");
};
const requests = (keys?: string): string[] =>
  [...readLog(folder, keys)].flatMap(({ records }) => records.map(({ header }) => header.requestId));

describe("segments at rest (P23)", () => {
  test("personal values are sealed, others are not, and all read back with the keys alone", async () => {
    const writer = await open();
    const id = await writer.append(aRecord(aContext(), 1), { durability: "durable" });
    const [segment] = listSegments(folder);
    if (!segment) throw new Error("no segment");
    expect(personal(segment.path)).toBe(false);
    await writer.append(aRecord(aContext(), 2), { durability: "buffered", isPersonal: false });
    expect(personal(segment.path)).toBe(true);
    await writer.close();
    expect(requests(keysFolder)).toEqual(["req-1", "req-2"]);
    expect(findPrediction(folder, id, keysFolder)?.payload?.subject).toBe("flight-1");
    expect(() => requests()).toThrow("predictions.corrupt");
    expect(readdirSync(keysFolder)).toHaveLength(1);
    expect(statSync(join(keysFolder, readdirSync(keysFolder)[0] ?? "")).mode & 0o777).toBe(0o600);
  });

  test("a torn tail is cut and the open block closed over what is sealed in it, at every byte of the last frame", async () => {
    const writer = await open();
    const kept = await writer.append(aRecord(aContext(), 1), { durability: "buffered" });
    const [segment] = listSegments(folder);
    if (!segment) throw new Error("no segment");
    const whole = statSync(segment.path).size;
    await writer.append(aRecord(aContext(), 2), { durability: "buffered" });
    const end = statSync(segment.path).size;
    await writer.close();
    const bytes = readFileSync(segment.path);
    for (let length = end - 1; length >= whole; length -= 7) {
      const trial = mkdtempSync(join(base, "trial-"));
      const path = join(trial, segment.path.slice(folder.length + 1));
      writeFileSync(path, bytes);
      truncateSync(path, length);
      sealDeadWriter(trial, writerId, clock, { keysFolder });
      const found = [...readLog(trial, keysFolder)].flatMap(({ records }) =>
        records.map(({ header }) => header.id),
      );
      expect(found).toEqual([kept]);
      rmSync(trial, { recursive: true });
    }
  });

  test("each segment has a data key of its own; after a rotation the next one lies under the new key", async () => {
    const keys = new LogKeys(keysFolder, clock);
    for (let start = 0; start < 2; start++) {
      const writer = await open();
      await writer.append(aRecord(aContext(), start), { durability: "buffered" });
      await writer.close();
      keys.rotate();
    }
    expect(requests(keysFolder)).toEqual(["req-0", "req-1"]);
    const [oldest = ""] = keys.names();
    keys.remove(oldest);
    expect(() => requests(keysFolder)).toThrow("predictions.corrupt");
  });

  test("a key-encryption key that grew old is followed by a new one", () => {
    let now = clock.now();
    const keys = new LogKeys(keysFolder, { now: () => now });
    const first = keys.newDataKey();
    expect(keys.newDataKey().wrapped.kek).toBe(first.wrapped.kek);
    now = (now + 91 * 86_400_000_000) as typeof now;
    const second = keys.newDataKey();
    expect(second.wrapped.kek).not.toBe(first.wrapped.kek);
    expect(keys.unwrap(first.wrapped)?.equals(first.key)).toBe(true);
    expect(() => keys.unwrap({ ...first.wrapped, wrapped: second.wrapped.wrapped })).toThrow(
      "predictions.corrupt",
    );
  });
});

describe("accepted records at rest (P23)", () => {
  let control: TestControl;
  let controlKeys: string;
  const ids: PredictionId[] = [];
  beforeAll(async () => {
    controlKeys = join(base, "control.keys");
    control = await startTestControl(controlKeys);
    folder = mkdtempSync(join(base, "log-"));
    keysFolder = `${folder}.keys`;
    const writer = await open();
    for (let n = 0; n < 30; n++)
      ids.push(await writer.append(aRecord(aContext(), n), { durability: "buffered" }));
    await writer.close();
    const shipper = createShipper({ folder, keysFolder, deliver: deliverOverHttp(control.url), pollMs: 5 });
    await shipper.flush();
    await shipper.close();
  }, 180_000);
  afterAll(() => control.close());

  const at = (index: number): PredictionId => ids[index] ?? ("" as PredictionId);
  const read = (index: number) => getPrediction(control.deps, control.person(), at(index));
  const files = async (): Promise<string[]> =>
    (await control.deps.files.list(organisationId)).map((file) => join(control.accepted, file));
  const policy = { fromRows: 1, fromAgeMs: 0, maxRows: 1000, maxBytes: 1e6 };

  test("what a gateway sealed is delivered, sealed anew by control, and read", async () => {
    expect(await files()).toHaveLength(1);
    expect((await files()).some(personal)).toBe(false);
    expect((await read(3)).payload?.subject).toBe("flight-3");
    await erasePredictions(control.deps, control.person(), { predictionIds: [at(4)] }, "asked");
    expect((await read(4)).withheld).toBe("erased");
    expect((await files()).some(personal)).toBe(false);
  });

  test("so is the archive; its other columns stay open to analysis, its proofs hold, and erasure reaches it", async () => {
    await archivePredictions(control.deps, { policy });
    expect((await files()).map((file) => file.endsWith(".parquet"))).toEqual([true]);
    expect((await files()).some(personal)).toBe(false);
    expect((await read(3)).payload?.subject).toBe("flight-3");
    const proof = await provePrediction(control.deps, control.person(), at(3));
    expect(proof.saltAndPayload).toBeDefined();
    expect(verifyPredictionProof(proof)).toMatchObject({ kind: "proved" });
    await erasePredictions(control.deps, control.person(), { subject: "flight-5" }, "asked");
    for (const index of [4, 5]) expect((await read(index)).withheld).toBe("erased");
    expect((await read(6)).payload?.subject).toBe("flight-6");
    const [path = ""] = await files();
    const { rows } = await createDuckDbEngine().run({
      statements: [
        {
          sql: `select count(*)::int as n, count(withheld)::int as gone, count(commitment)::int as leaves from read_parquet('${path}')`,
          returns: "all",
        },
      ],
      readable: [path],
      workFolder: join(base, "work"),
    });
    expect(rows["all"]).toEqual([{ n: 30, gone: 2, leaves: 30 }]);
  });

  test("payloads of one group do not open in the place of another", () => {
    const key = new LogKeys(controlKeys, clock).newDataKey();
    const sealed = sealTails(key, 1, [Buffer.from("a"), Buffer.alloc(0), Buffer.from("bc")]);
    expect(openTails(key, 1, sealed).map(String)).toEqual(["a", "", "bc"]);
    expect(() => openTails(key, 2, sealed)).toThrow("predictions.corrupt");
  });

  test("destroying the key destroys every payload under it, and proofs still hold", async () => {
    const keys = new LogKeys(controlKeys, clock);
    for (const name of keys.names()) keys.remove(name);
    expect(existsSync(controlKeys)).toBe(true);
    for (const index of [3, 4, 6]) {
      expect((await read(index)).withheld).toBe("erased");
      const proof = await provePrediction(control.deps, control.person(), at(index));
      expect(proof.saltAndPayload).toBeUndefined();
      expect(verifyPredictionProof(proof)).toMatchObject({ kind: "proved" });
    }
  });

  test("an archive of use cases whose charter says that no persons are in it is not sealed", async () => {
    const other = await startTestControl(controlKeys);
    const log = mkdtempSync(join(base, "log-"));
    const writer = await openPredictionWriter({ folder: log, writerId, clock, reserveBytes: 4096 });
    await writer.append(aRecord(aContext(), 1), { durability: "buffered" });
    await writer.close();
    const deliver = async (bytes: Uint8Array) => {
      await acceptBlocks(other.deps, other.gateway(), Buffer.from(bytes));
      return { kind: "accepted" } as const;
    };
    const shipper = createShipper({ folder: log, deliver, pollMs: 5 });
    await shipper.flush();
    await shipper.close();
    const classes = { openUseCases: async () => [aContext().useCaseId] };
    await archivePredictions(other.deps, { policy, classes });
    const [archive] = await listArchives(other.sql, organisationId);
    await using file = await ArchiveFile.open(join(other.accepted, archive?.file ?? ""));
    const [row] = await file.read(["tail"], 0, 1);
    expect(Buffer.from(row?.["tail"] as Uint8Array).includes("flight-1")).toBe(true);
    await other.close();
  });
});
