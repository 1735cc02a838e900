import { readFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { readTemplate, templateNames } from "@portolan/charter/templates";
import { systemClock } from "@portolan/kernel";
import { planCharter, planJson, planPortfolio } from "@portolan/planner/policy";
import { readShippedPrices } from "@portolan/planner/prices";

/**
 * A portfolio plan of many use cases, from the texts of their charters to the sum: templates and presets in turn, each with a name of its own; each with its levers and ways to pay.
 *
 * Usage: node bench/portfolio-plan.ts [use cases] [rounds]
 */
const [useCases = 200, rounds = 7] = process.argv.slice(2, 4).map(Number);
const preset = (name: string): string =>
  readFileSync(new URL(`../examples/architectures/${name}/charter.yaml`, import.meta.url), "utf8");
const texts = [
  ...templateNames.map((name) => readTemplate(name)),
  ...["financial-services", "healthcare", "manufacturing"].map(preset),
];
const charters = Array.from({ length: useCases }, (_, index) =>
  (texts[index % texts.length] ?? "").replace(/^( {2}name: )([a-z0-9-]+)$/m, `$1$2-${index}`),
);

const took: { readonly ms: number; readonly cpuMs: number }[] = [];
let planned = 0;
for (let round = 0; round < rounds; round++) {
  const started = performance.now();
  const cpu = process.cpuUsage();
  const book = readShippedPrices();
  const plans = charters.map((text) => {
    const { document, lines } = requireValid(parseCharter(text));
    return planJson(planCharter(document, book, { now: systemClock.now(), lines }));
  });
  planned = planPortfolio(plans).useCases.length;
  const { user, system } = process.cpuUsage(cpu);
  took.push({ ms: performance.now() - started, cpuMs: (user + system) / 1000 });
}
const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
console.log(
  `${planned} of ${useCases} use cases: median ${median(took.map(({ ms }) => ms)).toFixed(0)} ms (${took.map(({ ms }) => ms.toFixed(0)).join(", ")}), CPU ${median(took.map(({ cpuMs }) => cpuMs)).toFixed(0)} ms`,
);
console.log(
  `${cpus()[0]?.model ?? "?"}, ${cpus().length} processors, load ${loadavg()
    .map((one) => one.toFixed(1))
    .join(" ")}, Node ${process.version}`,
);
