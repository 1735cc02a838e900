/**
 * How full a pool gets under each policy, and what a run of the simulation takes: the six traces of Alibaba's clusters of 2023 with ten seeds each, as the
 * authors of Fragmentation Gradient Descent published them.
 *
 * Usage: node bench/pool-simulate.ts <folder of openb_node_list_gpu_node.csv and openb_pod_list_*.csv> [seeds]
 */
import { readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { join } from "node:path";
import { experiment, type PolicyName, readMachines, readPods } from "@portolan/capacity";
import { seededRandom } from "@portolan/numerics";

const [folder = "../shared/data/openb", seedCount = "10"] = process.argv.slice(2);
const seeds = Array.from({ length: Number(seedCount) }, (_, i) => 42 + i);
const read = (name: string): string => readFileSync(join(folder, name), "utf8");
const policies: readonly PolicyName[] = ["random", "best-fit", "fgd", "least-loss"];
const traces = ["cpu250", "default", "gpushare100", "gpushare40", "gpuspec33", "multigpu50"];

process.stdout.write(
  `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model ?? "cpu"}, load ${loadavg()
    .map((one) => one.toFixed(1))
    .join(" ")}, ${seeds.length} seeds\n`,
);
const machines = readMachines(read("openb_node_list_gpu_node.csv"), "nodes");
for (const trace of traces) {
  const pods = readPods(read(`openb_pod_list_${trace}.csv`), trace);
  for (const policy of policies) {
    const shares: number[] = [];
    const cpu: number[] = [];
    let refused = 0;
    for (const seed of seeds) {
      const before = process.cpuUsage();
      const world = { machines, pods, load: 1.3, seeds: [seed], randomOf: seededRandom };
      const { allocation, refusedThoughFeasible } = experiment(world, policy);
      const { user, system } = process.cpuUsage(before);
      shares.push(100 * allocation);
      cpu.push((user + system) / 1e6);
      refused += refusedThoughFeasible;
    }
    const mean = shares.reduce((sum, one) => sum + one, 0) / shares.length;
    process.stdout.write(
      `${trace.padEnd(12)} ${policy.padEnd(10)} ${mean.toFixed(2)} % (${Math.min(...shares).toFixed(2)} to ${Math.max(...shares).toFixed(2)}), CPU ${Math.min(...cpu).toFixed(2)} to ${Math.max(...cpu).toFixed(2)} s a run, refused though feasible ${refused}\n`,
    );
  }
}
