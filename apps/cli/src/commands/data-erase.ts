import type { ErasureReport, ErasureView } from "@portolan/data/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { type JobView, waitForJob } from "../client/jobs.ts";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";

interface EraseOptions {
  readonly reason: string;
  readonly column?: readonly string[];
  readonly environment?: readonly string[];
  readonly dryRun?: boolean;
  readonly detach?: boolean;
}

export function registerErase(data: Command, contextOf: ContextOf): void {
  data
    .command("erase <subject>")
    .description(
      "Erase what is known of a data subject in every place, then search for the name (exit code 1 when a legal hold covers some of it, or the name is still found)",
    )
    .requiredOption("--reason <text>", "goes on the ledger: name nobody in it")
    .option(
      "--column <names...>",
      "columns that name the subject, beside those that contracts mark with portolan.subject",
    )
    .option("--environment <names...>", "only in these (default: all in which you may erase)")
    .option("--dry-run", "only say what would go")
    .option("--detach", "do not wait for the end")
    .addHelpText(
      "after",
      '\nExamples:\n  portolan data erase customer-17 --reason "asked for by the person" --dry-run\n  portolan data erase customer-17 --reason "asked for by the person"\n  portolan data erasure ers_…',
    )
    .action(async (subject: string, options: EraseOptions, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const ordered = await api.json<ErasureView>({
        path: "/v1/data-erasures",
        body: {
          subject,
          reason: options.reason,
          ...(options.column === undefined ? {} : { columns: options.column }),
          ...(options.environment === undefined ? {} : { environments: options.environment }),
          ...(options.dryRun ? { dryRun: true } : {}),
        },
      });
      if (options.detach) {
        context.output.result(ordered, `${ordered.id}: ${ordered.state}`);
        return;
      }
      let told = "";
      const tell = ({ note }: JobView): void => {
        if (note === undefined || note === told) return;
        told = note;
        context.output.note(note);
      };
      await waitForJob(api, ordered.jobId ?? "", tell);
      await showErasure(contextOf, command, api, ordered.id);
    });
  data
    .command("erasure <id>")
    .description("What an order of erasure found, erased and could not reach")
    .addHelpText("after", "\nExample:\n  portolan data erasure ers_… --json")
    .action(async (id: string, _options: object, command: Command) => {
      await showErasure(contextOf, command, await connect(contextOf(command)), id);
    });
}

async function showErasure(
  contextOf: ContextOf,
  command: Command,
  api: ApiClient,
  id: string,
): Promise<void> {
  const erasure = await api.json<ErasureView>({ path: `/v1/data-erasures/${encodeURIComponent(id)}` });
  if (["refused", "incomplete", "failed", "cancelled"].includes(erasure.state)) process.exitCode = 1;
  contextOf(command).output.result(erasure, erasureText(erasure));
}

const headlines: Partial<Record<ErasureView["state"], string>> = {
  planned: "nothing was changed; this would go",
  refused: "nothing was erased: legal holds cover some of it",
  erased: "erased, and the name is found nowhere that was searched",
  incomplete: "erased, and the name still stands somewhere",
};

function erasureText(erasure: ErasureView): string {
  const { id, state, failure, report } = erasure;
  return [
    `${id} ${state}${headlines[state] === undefined ? "" : `: ${headlines[state]}`}`,
    ...(failure === undefined ? [] : [failure]),
    ...(report ? reportLines(report) : []),
  ].join("\n");
}

function reportLines(report: ErasureReport): string[] {
  const { found, models, remains, searched, notSearched, unmarked, bytesHeldElsewhere } = report;
  const rows = found.map(({ place, what, owner, rows: count, environment = "-", heldBy = [], whole }) => [
    place,
    what,
    owner,
    environment,
    whole ? "all of it" : String(count),
    heldBy.join(", ") || "-",
  ]);
  return [
    rows.length === 0
      ? "nothing was found"
      : table(["place", "what", "of", "environment", "rows", "held by"], rows),
    ...models.map(
      ({ model, version, trainingSetId, stages }) =>
        `model ${model}/${version} learned from it (${trainingSetId})${stages.length === 0 ? "" : `, and is in ${stages.join(", ")}`}`,
    ),
    ...unmarked.map((contract) => `the contract ${contract} marks no column as naming a data subject`),
    ...bytesHeldElsewhere.map((digest) => `bytes ${digest} stay: somebody else holds equal ones`),
    ...(searched.length === 0
      ? []
      : [`searched: ${searched.map(({ where, looked }) => `${where} (${looked})`).join(", ")}`]),
    ...remains.map(({ where, what, hits }) => `still found in ${where}: ${what} (${hits})`),
    ...notSearched.map((place) => `not searched or reached: ${place}`),
  ];
}
