import { monitorEventLoopDelay } from "node:perf_hooks";
import { parseArgs } from "node:util";
import { systemClock } from "@portolan/kernel";
import { testOrganisation } from "@portolan/testkit";
import { readPerformance } from "../packages/monitoring/src/performance/read-performance.ts";
import { openAnsweredWorld } from "../packages/monitoring/test/answered-predictions.ts";

/**
 * What a report of performance costs control: `node bench/performance-report.ts [--labels 50000]`. Labels of one version over two weeks lie in
 * PGlite, which shares the process: its share is in every figure, as it would be PostgreSQL's own in another process.
 */
const { values } = parseArgs({ options: { labels: { type: "string", default: "50000" } } });
const labels = Number(values.labels);
const day = 86_400_000_000;

await using world = await openAnsweredWorld(systemClock, {
  find: async () => ({ metric: "roc_auc", kind: "floor", value: 0.7, below: "alert" }),
});
const from = systemClock.now() - 13 * day;
await world.db.database.session((session) =>
  session.query(
    `insert into predictions.outcomes (organisation_id, prediction_id, writer_id, epoch, block, outcome, observed_at, reported_at, reported_by,
       use_case_id, endpoint, environment, model_name, model_version, variant, received_at, outputs, reach)
     select $1, 'prd_' || n, 'wr', 1, 1, to_jsonb(n % 3 = 0), 1, 1, 'x', 'uc_1', 'bench', 'production', 'm', '1', 'champion', $2::bigint + n * $3::bigint,
       '{"outputs":[{"name":"probabilities","datatype":"FP32","shape":[1,2],"data":[0.5,' || (0.3 + 0.2 * (n % 3 = 0)::int + (n * 7919 % 1000) / 3000.0)::text || ']}]}',
       'production'
     from generate_series(1, $4::bigint) as n`,
    [testOrganisation, from, Math.floor((12 * day) / labels), labels],
  ),
);

for (let run = 1; run <= 3; run++) {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  delay.enable();
  const [cpu, begun] = [process.cpuUsage(), performance.now()];
  const { series } = await readPerformance(world.performance, world.person(), { endpoint: "bench" });
  const used = process.cpuUsage(cpu);
  delay.disable();
  const read = series[0]?.windows.reduce((sum, window) => sum + window.labels, 0) ?? 0;
  console.log(
    `${read} labels in ${series[0]?.windows.length ?? 0} windows: ${Math.round(performance.now() - begun)} ms, ${Math.round((used.user + used.system) / 1000)} ms of CPU, longest turn ${Math.round(delay.max / 1e6)} ms, ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB`,
  );
}
