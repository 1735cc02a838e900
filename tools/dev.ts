import { resolve } from "node:path";
import { writeGenerated } from "./check-generated.ts";
import { runChecks } from "./checks.ts";
import { secondsSince } from "./run-command.ts";
import { add, runTier, summary, type Tally, type Tier, tiers } from "./tiers.ts";

const usage = `The repository's own tools:
  ./portolan dev check [--fix]   T0: format, lint, types, boundaries, error pages, generated files, unit tests
  ./portolan dev test            T0 and T1: what npm test runs
  ./portolan dev ci              all tiers, T0 to T4
  ./portolan dev tier <t1…t4>    one tier alone
  ./portolan dev generate        writes the generated files`;

const root = resolve(import.meta.dirname, "..");

async function timed(
  title: string,
  budgetMinutes: number,
  work: () => Promise<Tally | undefined>,
): Promise<Tally | undefined> {
  console.log(`\n== ${title} (budget ${budgetMinutes} min)`);
  const startedAt = performance.now();
  const tally = await work();
  const counted = tally === undefined ? "empty: no test file yet" : summary(tally);
  const late = performance.now() - startedAt > budgetMinutes * 60_000 ? "  OVER ITS BUDGET" : "";
  console.log(`== ${title}: ${counted} in ${secondsSince(startedAt)}${late}`);
  return tally;
}

async function runTiers(chosen: readonly Tier[], start: Tally): Promise<Tally> {
  let total = start;
  for (const tier of chosen) {
    const title = `${tier.name.toUpperCase()} ${tier.title}`;
    const tally = await timed(
      title,
      tier.budgetMinutes,
      async () => (await runTier(root, tier, { live: true }))?.tally,
    );
    if (tally !== undefined) total = add(total, tally);
  }
  return total;
}

async function runAll(chosen: readonly Tier[], fix: boolean): Promise<number> {
  const startedAt = performance.now();
  const checked = await timed("T0 checks and unit tests", 1, () => runChecks(root, { fix }));
  const total = await runTiers(chosen, checked ?? { passed: 0, failed: 1, skipped: 0 });
  return conclude(total, startedAt);
}

function conclude(total: Tally, startedAt: number): number {
  console.log(`\n${secondsSince(startedAt)} in all`);
  console.log(summary(total));
  return total.failed === 0 ? 0 : 1;
}

async function runOneTier(name: string | undefined): Promise<number> {
  const tier = tiers.find((known) => known.name === name);
  if (tier === undefined) return misused(`no tier "${name ?? ""}"`);
  const startedAt = performance.now();
  return conclude(await runTiers([tier], { passed: 0, failed: 0, skipped: 0 }), startedAt);
}

function misused(what: string): number {
  console.error(`portolan dev: ${what}\n\n${usage}`);
  return 2;
}

async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  switch (command) {
    case "check":
      return runAll([], rest.includes("--fix"));
    case "test":
      return runAll(tiers.slice(0, 1), false);
    case "ci":
      return runAll(tiers, false);
    case "tier":
      return runOneTier(rest[0]);
    case "generate": {
      const written = await writeGenerated(root);
      console.log(written.length === 0 ? "all generated files are current" : written.join("\n"));
      return 0;
    }
    case undefined:
    case "help":
    case "--help":
      console.log(usage);
      return 0;
    default:
      return misused(`no command "${command}"`);
  }
}

process.exitCode = await main(process.argv.slice(2));
