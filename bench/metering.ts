/**
 * What metering adds to control for each accepted record: counting a block of the prediction log, and adding it up in PostgreSQL. Blocks of 1,000 records of
 * five versions, then of one record, the smallest there are.
 */
import { newId, systemClock } from "@portolan/kernel";
import { ledgerMigrations } from "@portolan/ledger";
import { countAcceptedBlocks, meteringMigrations, type TenantPlace } from "@portolan/metering";
import type { AcceptedBlock, PredictionHeader } from "@portolan/predictions/contract";
import { aCall, openTestDatabase, testOrganisation } from "@portolan/testkit";

const writerId = newId("writer", systemClock.now());
const place: TenantPlace = {
  businessUnitId: "bu_1",
  businessUnit: "finance",
  teamId: "team_1",
  team: "risk",
  useCaseId: "uc_1",
  useCase: "fraud",
};
const contexts = Array.from({ length: 5 }, (_, version): PredictionHeader["context"] => ({
  organisationId: testOrganisation,
  useCaseId: "uc_1",
  endpoint: "score",
  environment: "production",
  model: { name: "m", version: String(version), digest: "sha256:0" },
  variant: "champion",
  snapshotVersion: 1,
  costTags: {},
}));
let number = 0;
function block(records: number): AcceptedBlock {
  const now = systemClock.now();
  const headers = Array.from({ length: records }, (_, index): PredictionHeader => {
    const context = contexts[index % contexts.length];
    if (!context) throw new Error("no context");
    return {
      id: `prd_${index}`,
      context,
      principal: "sa_1",
      requestId: "r",
      receivedAt: now,
      latency: { totalMicros: 900, runMicros: 250 },
      status: { kind: "ok" },
      bytes: { in: 340, out: 150, outside: true },
    };
  });
  return { writerId, epoch: 1, block: (number += 1), headers };
}

await using database = await openTestDatabase({ migrations: [ledgerMigrations, meteringMigrations] });
const deps = { work: database.uow, tenants: { useCase: async () => place } };
for (const [records, rounds] of [
  [1000, 200],
  [1, 500],
] as const) {
  const blocks = Array.from({ length: rounds + 20 }, () => block(records));
  for (const one of blocks.slice(0, 20)) await countAcceptedBlocks(deps, aCall({}), [one]);
  const took: number[] = [];
  const cpu = process.cpuUsage();
  for (const one of blocks.slice(20)) {
    const before = systemClock.monotonicNanos();
    await countAcceptedBlocks(deps, aCall({}), [one]);
    took.push(Number(systemClock.monotonicNanos() - before) / 1e6);
  }
  const { user, system } = process.cpuUsage(cpu);
  const sorted = took.toSorted((a, b) => a - b);
  const p50 = sorted[Math.floor(rounds / 2)] ?? 0;
  console.log(
    `blocks of ${records}: p50 ${p50.toFixed(2)} ms, p95 ${(sorted[Math.floor(rounds * 0.95)] ?? 0).toFixed(2)} ms, ${((p50 * 1000) / records).toFixed(2)} µs a record; ${((user + system) / rounds / records).toFixed(2)} µs of control's CPU a record`,
  );
}
