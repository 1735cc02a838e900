// Splits a bill with its idle part beside OpenCost's own code (Go, bench/opencost), over the same records of usage, and compares what each tenant owes:
//   node bench/opencost.ts [records] [tenants]
// Needs Go, and its module proxy once.
import { spawnSync } from "node:child_process";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { allocateBill, type Bill } from "../packages/metering/src/index.ts";
import { billOf, usageStream } from "./usage-stream.ts";

const [records = 1_000_000, tenants = 1_000] = process.argv.slice(2).map(Number);
const rounds = 3;
const usage = usageStream(records, tenants, () => "production");

interface Split {
  readonly seconds: number;
  /** Off the bill. */
  readonly off: number;
  readonly costs: ReadonlyMap<string, number>;
}

function ours(paper: Bill): Split {
  const began = process.hrtime.bigint();
  const { lines, total } = allocateBill(paper, usage(), { idle: "split", shared: "proportional" });
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  const nanos = new Map<string, bigint>();
  for (const { tenant, own, idle } of lines)
    nanos.set(tenant.useCase, (nanos.get(tenant.useCase) ?? 0n) + own.nanos + idle.nanos);
  const sum = [...nanos.values()].reduce((all, one) => all + one, 0n);
  const costs = new Map([...nanos].map(([name, one]) => [name, Number(one) / 1e9]));
  return { seconds, off: Number(sum - total.nanos) / 1e9, costs };
}

interface Told {
  readonly seconds: number;
  readonly built: number;
  readonly cpuSeconds: number;
  readonly peakMiB: number;
  readonly costs: Readonly<Record<string, number>>;
}

function theirs(): Split & Omit<Told, "costs"> {
  const { stdout, stderr, status } = spawnSync("go", ["run", ".", String(records), String(tenants)], {
    cwd: join(import.meta.dirname, "opencost"),
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`go run ended with ${status}: ${stderr.slice(-500)}`);
  const told = JSON.parse(stdout) as Told;
  const costs = new Map(Object.entries(told.costs));
  // In floating point, in the order of their names.
  const sum = [...costs].toSorted(([a], [b]) => (a < b ? -1 : 1)).reduce((all, [, one]) => all + one, 0);
  return { ...told, off: sum - (70_000.000000001 * 1 + 70_000.000000001 * 2 + 70_000.000000001 * 3), costs };
}

const paper = billOf(usage());
process.stdout.write(
  `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "cpu"}, load ${loadavg()
    .map((one) => one.toFixed(1))
    .join(" ")}; ${records} records of ${tenants} tenants\n`,
);
for (let round = 1; round <= rounds; round += 1) {
  const mine = ours(paper);
  const go = theirs();
  const furthest = [...mine.costs].reduce(
    (most, [name, cost]) => Math.max(most, Math.abs(cost - (go.costs.get(name) ?? 0))),
    0,
  );
  process.stdout.write(
    `exact ${mine.seconds.toFixed(2)} s, off the bill by ${mine.off}; OpenCost ${go.seconds.toFixed(2)} s (${go.built.toFixed(2)} to build its set), ${go.cpuSeconds.toFixed(1)} s of CPU, ${go.peakMiB} MiB, off by ${go.off}; ratio ${(mine.seconds / go.seconds).toFixed(2)}; ${go.costs.size} beside ${mine.costs.size} tenants, furthest apart ${furthest}\n`,
  );
}
process.stdout.write(`at most ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB resident here\n`);
