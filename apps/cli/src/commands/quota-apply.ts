import type { AppliedQuotas, QuotaApplication, QuotaVerdict, QuotaView } from "@portolan/capacity/contract";
import { asEpochMicros, formatInstant } from "@portolan/kernel";
import type { Command } from "commander";
import { type CliContext, connect } from "../context.ts";
import type { ContextOf } from "../program.ts";
import { readInput } from "../read-input.ts";

const path = "/v1/quotas";

/** Quotas that the server keeps: what waits is let in by them. */
export function registerKeptQuotas(quota: Command, contextOf: ContextOf): void {
  quota
    .command("apply <quotas.yaml>")
    .description("Put a file of quotas in force: from then on training runs and scorings start within them")
    .option("--cluster <cluster.yaml>", "the nodes; without it, as they were said last")
    .option("--dry-run", "say what would change, and change nothing")
    .addHelpText(
      "after",
      "\nOnly platform administrators may. What runs goes on.\n\nExample:\n  portolan quota apply quotas.yaml --cluster cluster.yaml --dry-run --as admin",
    )
    .action((file: string, options: ApplyOptions, command: Command) =>
      apply(contextOf(command), file, options),
    );
  quota
    .command("show")
    .description("The quotas in force, as their file says them")
    .addHelpText("after", "\nExample:\n  portolan quota show > quotas.yaml")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const found = await (await connect(context)).json<QuotaView>({ path });
      context.output.result(found, shown(found));
    });
  quota
    .command("remove")
    .description("Have no quotas any more: everything starts as it did before there were any")
    .addHelpText("after", "\nExample:\n  portolan quota remove --as admin")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const found = await (await connect(context)).json<QuotaView>({ method: "DELETE", path });
      context.output.result(found, "no quotas are in force");
    });
}

interface ApplyOptions {
  readonly cluster?: string;
  readonly dryRun?: boolean;
}

async function apply(
  context: CliContext,
  file: string,
  { cluster, dryRun = false }: ApplyOptions,
): Promise<void> {
  const body: QuotaApplication = {
    file,
    quotas: await readInput(context, file),
    ...(cluster === undefined ? {} : { cluster: { file: cluster, text: await readInput(context, cluster) } }),
  };
  const api = await connect(context);
  if (dryRun) {
    const verdict = await api.json<QuotaVerdict>({ path: `${path}/check`, body });
    context.output.result(verdict, [...verdictLines(verdict), "nothing was changed"].join("\n"));
    return;
  }
  const applied = await api.json<AppliedQuotas>({ method: "PUT", path, body });
  context.output.result(
    applied,
    [...verdictLines(applied), `version ${applied.version} is in force`].join("\n"),
  );
}

function verdictLines({ teams, changes, sums }: QuotaVerdict): string[] {
  return [
    `${teams} teams`,
    ...(sums.length === 0 ? ["nothing says what the cluster has: --cluster does"] : []),
    ...sums.map(
      ({ resource, guaranteed, cluster }) => `  ${resource.padEnd(20)} ${guaranteed} of ${cluster}`,
    ),
    ...(changes.length === 0 ? ["no amount changes"] : []),
    ...changes.map(
      ({ member, resource, before = "none", after = "none" }) =>
        `  ${member} ${resource}: ${before} -> ${after}`,
    ),
  ];
}

function shown({ version, quotas, appliedBy, appliedAt }: QuotaView): string {
  if (quotas === undefined) return "no quotas are in force; portolan quota apply puts some in force";
  const at = appliedAt === undefined ? "" : formatInstant(asEpochMicros(appliedAt));
  return `# version ${version}, applied by ${appliedBy ?? ""} at ${at}\n${quotas.trimEnd()}`;
}
