import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createDuckDbEngine } from "@portolan/duckdb";
import { expect, test } from "vitest";
import { readContract } from "../src/contracts/read-contract.ts";
import { judgeEvents } from "../src/events/judge-events.ts";
import { tryContract } from "../src/judging/try-contract.ts";
import { RowValidator } from "../src/judging/validate-row.ts";

const contract = readContract(
  JSON.stringify({
    apiVersion: "v3.1.0",
    kind: "DataContract",
    id: "anything",
    version: "1.0.0",
    status: "active",
    schema: [
      {
        name: "anything",
        properties: [
          { name: "a", logicalType: "integer", logicalTypeOptions: { maximum: 5 } },
          { name: "o", logicalType: "object", logicalTypeOptions: { maxProperties: 1 } },
        ],
      },
    ],
  }),
  "anything.odcs.yaml",
);
const none = [
  '{"a":1,"a":9}',
  '{"a":9,"a":1}',
  '{"a":1,"\\u0061":1}',
  '{"x":null,"a":1,"x":null}',
  '{"":1,"a":1,"":2}',
  "[1]",
];
const rows = [
  '{"a":1,"A":9}',
  '{"a":9,"b":"a\\":1,{[","o":{"a":1}}',
  '{"o":{"k":1,"k":2}}',
  '{"o":{"k":1,"l":2},"x":[{"a":1},{"a":2}]}',
  "{}",
];

test("a row of JSON that names a member twice is none for both executors, and members within count once (D6, D17)", async () => {
  const lines = [...none, ...rows];
  const folder = await mkdtemp(join(tmpdir(), "portolan-members-"));
  const path = join(folder, "rows.jsonl");
  await writeFile(path, `${lines.join("\n")}\n`);
  const batch = await tryContract(createDuckDbEngine(), {
    contract,
    sources: [{ path, format: "jsonl" }],
    references: {},
    workFolder: folder,
    asOf: 0,
    shown: 20,
  });
  await rm(folder, { recursive: true });
  const door = await judgeEvents(new RowValidator(contract), lines.join("\n"), {
    source: "test",
    asOf: 0,
  });
  expect(batch.deadLetters?.map(({ line }) => Number(line))).toEqual([1, 2, 3, 4, 5, 6]);
  expect(door.deadLetters.map(({ index }) => index + 1)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(batch.quarantined?.map(({ violations }) => violations)).toEqual([
    ["a.maximum"],
    ["o.maxProperties"],
  ]);
  expect(door.quarantined).toEqual([
    { index: 7, violations: ["a.maximum"] },
    { index: 9, violations: ["o.maxProperties"] },
  ]);
  expect(batch.counts).toMatchObject({ accepted: door.accepted });
});
