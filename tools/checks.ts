import { availableParallelism } from "node:os";
import { checkBannedCalls } from "./check-banned-calls.ts";
import { checkBoundaries } from "./check-boundaries.ts";
import { checkErrorPages } from "./check-error-pages.ts";
import { checkGenerated } from "./check-generated.ts";
import { checkRepository } from "./check-repository.ts";
import { checkSpecRules } from "./check-spec-rules.ts";
import { runCommand, secondsSince } from "./run-command.ts";
import type { CheckReport } from "./source-files.ts";
import { add, nothing, runTier, summary, type Tally, unitTier } from "./tiers.ts";

interface Outcome {
  readonly tally: Tally;
  /** What the person reads when it failed. */
  readonly output: string;
  /** A few words beside the time. */
  readonly note: string;
}

interface Check {
  readonly name: string;
  run(root: string): Promise<Outcome>;
}

const one = (passed: boolean): Tally => ({ ...nothing, passed: passed ? 1 : 0, failed: passed ? 0 : 1 });

/** A tool from node_modules, run with this Node. `script` is its entry file. */
function tool(name: string, script: string, args: readonly string[]): Check {
  return {
    name,
    async run(root) {
      const { exitCode, output } = await runCommand(process.execPath, [`node_modules/${script}`, ...args], {
        cwd: root,
      });
      return { tally: one(exitCode === 0), output, note: "" };
    },
  };
}

function own(name: string, check: (root: string) => CheckReport | Promise<CheckReport>): Check {
  return {
    name,
    async run(root) {
      const { examined, problems } = await check(root);
      const found = examined === 0 ? ["nothing was examined, so that nothing is proved"] : problems;
      return { tally: one(found.length === 0), output: found.join("\n"), note: `${examined} examined` };
    },
  };
}

const unitTests: Check = {
  name: "unit tests",
  async run(root) {
    const run = await runTier(root, unitTier, { live: false });
    if (run === undefined) return { tally: one(false), output: "there is no unit test", note: "" };
    return { tally: run.tally, output: run.output, note: summary(run.tally) };
  },
};

function checksFor(fix: boolean): Check[] {
  return [
    unitTests,
    tool("lint", "oxlint/bin/oxlint", ["--type-aware", "--deny-warnings", ...(fix ? ["--fix"] : [])]),
    tool("types", "typescript/bin/tsc", ["-p", "."]),
    tool("format", "@biomejs/biome/bin/biome", ["check", "--error-on-warnings", ...(fix ? ["--write"] : [])]),
    tool("unused code", "knip/bin/knip.js", ["--no-progress"]),
    own("boundaries", checkBoundaries),
    own("banned calls", checkBannedCalls),
    own("error pages", checkErrorPages),
    own("spec rules", checkSpecRules),
    own("generated files", checkGenerated),
    own("repository", checkRepository),
  ];
}

async function runOne(check: Check, root: string): Promise<Tally> {
  const startedAt = performance.now();
  let outcome: Outcome;
  try {
    outcome = await check.run(root);
  } catch (error) {
    outcome = {
      tally: one(false),
      output: error instanceof Error ? (error.stack ?? error.message) : String(error),
      note: "",
    };
  }
  const failed = outcome.tally.failed > 0;
  const note = outcome.note === "" ? "" : `  ${outcome.note}`;
  if (failed && outcome.output !== "") console.log(`\n${outcome.output.trimEnd()}`);
  console.log(
    `${failed ? "FAIL" : " ok "}  ${check.name.padEnd(16)} ${secondsSince(startedAt).padStart(7)}${note}`,
  );
  return outcome.tally;
}

/**
 * Tier T0: everything that needs no database, as many at a time as there are cores. Each check counts as one
 * test, so that a total of 0 failed means what it says.
 */
export async function runChecks(root: string, options: { readonly fix: boolean }): Promise<Tally> {
  const waiting = checksFor(options.fix);
  // With --fix, tools rewrite files that the others read: one after the other, rewriters first.
  if (options.fix) waiting.sort((a, b) => Number(b.name === "format") - Number(a.name === "format"));
  const lanes = options.fix ? 1 : Math.min(4, Math.max(1, availableParallelism()));
  let total = nothing;
  const lane = async () => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      const tally = await runOne(check, root);
      total = add(total, tally);
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return total;
}
