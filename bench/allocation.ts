// Splits a bill by many records of usage, exactly, beside OpenCost's documented rule in floating point (idle is shared by what each allocation costs of each resource):
//   node bench/allocation.ts [records] [tenants]
import { allocateBill, type Bill } from "../packages/metering/src/index.ts";
import { billedResources, billOf, usageStream } from "./usage-stream.ts";

const [records = 10_000_000, tenants = 1_000] = process.argv.slice(2).map(Number);
const usage = usageStream(records, tenants, (at) => (at % 3 === 0 ? "dev" : "production"));

function exactly(of: Bill): number {
  const { lines, unattributed, total } = allocateBill(of, usage(), { idle: "split", shared: "proportional" });
  const sum = [
    ...lines.flatMap(({ own, quota, idle, shared }) => [own, quota, idle, shared]),
    ...unattributed.map(({ amount }) => amount),
  ].reduce((all, { nanos }) => all + nanos, 0n);
  return Number(sum - total.nanos) / 1e9;
}

/** Cost of each allocation and resource is hours times price; idle is what the assets cost less that, shared by each one's part of the resource's cost. */
function asOpenCost(of: Bill): number {
  const costs = new Map<string, Map<string, number>>();
  const prices = new Map(
    of.lines.map(({ name, amount, capacity = 1n }) => [name, Number(amount.nanos) / 1e9 / Number(capacity)]),
  );
  for (const { tenant, resource, quantity } of usage()) {
    const key = `${tenant.businessUnit}/${tenant.team}/${tenant.useCase}/${tenant.environment}`;
    const byResource = costs.get(key) ?? new Map<string, number>();
    costs.set(key, byResource);
    byResource.set(
      resource,
      (byResource.get(resource) ?? 0) + Number(quantity) * (prices.get(resource) ?? 0),
    );
  }
  let sum = 0;
  for (const { name, amount } of of.lines) {
    const asset = Number(amount.nanos) / 1e9;
    const used = [...costs.values()].reduce((all, byResource) => all + (byResource.get(name) ?? 0), 0);
    const idle = asset - used;
    for (const byResource of costs.values()) {
      const cost = byResource.get(name) ?? 0;
      sum += cost + (idle * cost) / used;
    }
  }
  return sum - of.lines.reduce((all, { amount }) => all + Number(amount.nanos) / 1e9, 0);
}

function timed(what: string, work: () => number): number {
  const started = process.hrtime.bigint();
  const off = work();
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const peak = Math.round(process.resourceUsage().maxRSS / 1024);
  process.stdout.write(
    `${what}: ${seconds.toFixed(1)} s, at most ${peak} MiB resident until here, off the bill by ${off}\n`,
  );
  return seconds;
}

const paper = billOf(usage());
process.stdout.write(`${records} records of ${tenants} tenants and ${billedResources.length} resources\n`);
for (let round = 1; round <= 3; round += 1) {
  const stream = timed("the stream alone", () => {
    let count = 0;
    for (const _ of usage()) count += 1;
    return count - records;
  });
  const ours = timed("exact", () => exactly(paper));
  const theirs = timed("as OpenCost", () => asOpenCost(paper));
  process.stdout.write(
    `ratio ${(ours / theirs).toFixed(2)}, less the stream ${((ours - stream) / (theirs - stream)).toFixed(2)}\n`,
  );
}
