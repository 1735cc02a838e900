import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { PortolanError, parseInstant, systemClock } from "@portolan/kernel";
import {
  type IncidentSummary,
  type IncidentView,
  type PlaybookName,
  playbookNames,
  playbooks,
  type Timeline,
} from "@portolan/monitoring/contract";
import type { Command } from "commander";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { incidentPage } from "../incident/incident-page.ts";
import { incidentTable, incidentText, playbookText, responseText } from "../incident/incident-text.ts";
import { readAround } from "../incident/read-around.ts";
import type { ContextOf } from "../program.ts";

export function registerIncidentCommands(program: Command, contextOf: ContextOf): void {
  const incident = program
    .command("incident")
    .description("Records of incidents: who answers, what was done by which playbook, how long it took")
    .addHelpText(
      "after",
      `
Examples:
  portolan incident open --alert alr_… --playbook rollback
  portolan incident take inc_…
  portolan incident tick inc_… rollback
  portolan incident resolve inc_… --because "the fee was read in cents"
  portolan incident show inc_… --page incident.html`,
    );
  registerOpen(incident, contextOf);
  registerList(incident, contextOf);
  registerShow(incident, contextOf);
  registerTake(incident, contextOf);
  registerTick(incident, contextOf);
  registerWords(incident, contextOf);
  registerPlaybook(incident, contextOf);
}

interface OpenOptions {
  readonly alert?: string;
  readonly environment?: string;
  readonly title?: string;
  readonly since?: string;
  readonly playbook: string;
  readonly endpoint?: string;
  readonly model?: string;
  readonly modelVersion?: string;
  readonly apiKey?: string;
  readonly actor?: string;
}

function registerOpen(incident: Command, contextOf: ContextOf): void {
  incident
    .command("open")
    .description("Open the record of an incident: of an alert, or by hand")
    .requiredOption("--playbook <name>", playbookNames.join(", "))
    .option("--alert <alert>", "that it was found by (alr_…): says where and since when")
    .option("-e, --environment <name>", "by hand: where it is")
    .option("--title <text>", "what is wrong, naming nobody (default: what the alert says)")
    .option("--endpoint <name>", "by hand: of this endpoint")
    .option("--since <instant>", "by hand: when it began (RFC 3339; default: now)")
    .option("--model <name>", "what steps are filled with, where it is known")
    .option("--model-version <version>", "the same")
    .option("--api-key <key>", "the same (key_…)")
    .option("--actor <id>", "the same: person or service account")
    .addHelpText(
      "after",
      `
Examples:
  portolan incident open --alert alr_… --playbook rollback
  portolan incident open -e production --endpoint churn --playbook revoke-access --api-key key_… --title "a key was in a public repository"`,
    )
    .action(async (options: OpenOptions, command: Command) => {
      const context = contextOf(command);
      const {
        alert: alertId,
        since,
        modelVersion: version,
        apiKey: apiKeyId,
        actor: actorId,
        ...same
      } = options;
      const startedAt = since === undefined ? undefined : parseInstant(since);
      playbookOf(options.playbook);
      // What is undefined is left out of a JSON document.
      const body = { ...same, alertId, version, apiKeyId, actorId, startedAt };
      const opened = await (await connect(context)).json<IncidentView>({ path: "/v1/incidents", body });
      const next = opened.steps[0];
      context.output.result(
        opened,
        [
          `${opened.id} is open: ${opened.title}`,
          `Take it: portolan incident take ${opened.id}`,
          ...(next ? [`First step: ${next.text}\n  ${next.command}`] : []),
        ].join("\n"),
      );
    });
}

interface IncidentPage {
  readonly incidents: readonly IncidentSummary[];
  readonly next?: string;
}

/** A page that says where to go on may hold nothing: what was looked through is not for this caller. */
function pageText({ incidents, next }: IncidentPage): string {
  const found = incidents.length === 0 ? "no incidents" : incidentTable(incidents);
  return next === undefined ? found : `${found}\nolder ones: --after ${next}`;
}

interface ListOptions {
  readonly state?: string;
  readonly environment?: string;
  readonly after?: string;
}

function registerList(incident: Command, contextOf: ContextOf): void {
  incident
    .command("list")
    .description("Incidents with their response times, newest first, a hundred at a time")
    .option("--state <state>", "open, taken, mitigated or resolved (default: all)")
    .option("--environment <name>", "of one environment")
    .option("--after <incident>", "those that are older than this one")
    .addHelpText("after", "\nExample:\n  portolan incident list --state open")
    .action(async (options: ListOptions, command: Command) => {
      const context = contextOf(command);
      const query = new URLSearchParams();
      for (const name of ["state", "environment", "after"] as const)
        if (options[name] !== undefined) query.set(name, options[name]);
      const path = `/v1/incidents?${query.toString()}`;
      const page = await (await connect(context)).json<IncidentPage>({ path });
      context.output.result(page, pageText(page));
    });
}

function registerShow(incident: Command, contextOf: ContextOf): void {
  incident
    .command("show <incident>")
    .description("The record in order, the playbook with its ticks, and the endpoint's timeline around it")
    .option("--page <file>", "write it all as a page, without scripts")
    .addHelpText("after", "\nExample:\n  portolan incident show inc_… --page incident.html")
    .action(async (id: string, options: { page?: string }, command: Command) => {
      const context = contextOf(command);
      const client = await connect(context);
      const found = await client.json<IncidentView>({ path: pathOf(id) });
      const around = await readAround(found, systemClock.now(), (path) => client.json<Timeline>({ path }));
      if (options.page === undefined) {
        context.output.result({ incident: found, ...around }, incidentText(found, around));
        return;
      }
      const file = resolve(context.cwd, options.page);
      await writeFile(file, incidentPage(found, around));
      context.output.result({ file, incident: found.id }, `Incident written to ${file}`);
    });
}

function registerTake(incident: Command, contextOf: ContextOf): void {
  incident
    .command("take <incident>")
    .description("Answer for an incident from now on; what somebody else took is handed over")
    .addHelpText("after", "\nExample:\n  portolan incident take inc_… --as lee")
    .action(async (id: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const path = `${pathOf(id)}/take`;
      const taken = await (await connect(context)).json<IncidentView>({ path, body: {} });
      context.output.result(taken, `${taken.id} is yours. ${responseText(taken)}`);
    });
}

interface TickOptions {
  readonly failed?: boolean;
  readonly skipped?: boolean;
  readonly note?: string;
}

function registerTick(incident: Command, contextOf: ContextOf): void {
  incident
    .command("tick <incident> <step>")
    .description("Tick a step of the playbook; the last tick of a step counts")
    .option("--failed", "it was tried, and did not work")
    .option("--skipped", "it is left out")
    .option("--note <text>", "what came of it; needed with --failed and --skipped")
    .addHelpText(
      "after",
      '\nExample:\n  portolan incident tick inc_… halt --skipped --note "nobody is harmed by a late answer"',
    )
    .action(async (id: string, step: string, options: TickOptions, command: Command) => {
      const context = contextOf(command);
      if (options.failed === true && options.skipped === true)
        throw new PortolanError<CliErrorCode>("cli.bad_usage", {
          detail: "a step failed or was skipped, not both",
          mend: "Give --failed or --skipped.",
        });
      const outcome = options.failed === true ? "failed" : options.skipped === true ? "skipped" : "done";
      const body = { step, outcome, text: options.note };
      const path = `${pathOf(id)}/ticks`;
      const ticked = await (await connect(context)).json<IncidentView>({ path, body });
      const next = ticked.steps.find(({ tick }) => tick === null);
      context.output.result(
        ticked,
        [
          `${step} is ${outcome}`,
          next ? `Next: ${next.id}: ${next.text}\n  ${next.command}` : "Every step is ticked",
        ].join("\n"),
      );
    });
}

function registerWords(incident: Command, contextOf: ContextOf): void {
  const send = async (command: Command, id: string, what: string, text: string): Promise<void> => {
    const context = contextOf(command);
    const path = `${pathOf(id)}/${what}`;
    const changed = await (await connect(context)).json<IncidentView>({ path, body: { text } });
    context.output.result(changed, `${changed.id} ${changed.state}. ${responseText(changed)}`);
  };
  incident
    .command("note <incident> <text>")
    .description("Add to the record what was seen or done; also when it is over")
    .addHelpText(
      "after",
      '\nExample:\n  portolan incident note inc_… "all wrong answers came from one region"',
    )
    .action((id: string, text: string, _options: object, command: Command) =>
      send(command, id, "notes", text),
    );
  incident
    .command("mitigate <incident>")
    .description("It does no more harm, from now on")
    .requiredOption("--because <text>", "what stopped the harm")
    .addHelpText(
      "after",
      '\nExample:\n  portolan incident mitigate inc_… --because "the version before answers"',
    )
    .action((id: string, { because }: { because: string }, command: Command) =>
      send(command, id, "mitigate", because),
    );
  incident
    .command("resolve <incident>")
    .description("It is over; refused while a step of the playbook is neither done nor skipped")
    .requiredOption("--because <text>", "why it came, and what keeps it from coming again")
    .addHelpText(
      "after",
      '\nExample:\n  portolan incident resolve inc_… --because "the fee was read in cents"',
    )
    .action((id: string, { because }: { because: string }, command: Command) =>
      send(command, id, "resolve", because),
    );
}

function registerPlaybook(incident: Command, contextOf: ContextOf): void {
  incident
    .command("playbook [name]")
    .description(
      "What is done in an incident, step by step, each with its command and its check; needs no server",
    )
    .addHelpText("after", "\nExample:\n  portolan incident playbook prompt-injection")
    .action((name: string | undefined, _options: object, command: Command) => {
      const names = name === undefined ? playbookNames : [playbookOf(name)];
      contextOf(command).output.result(
        Object.fromEntries(names.map((one) => [one, playbooks[one]])),
        names.map((one) => playbookText(one, playbooks[one])).join("\n\n"),
      );
    });
}

/** @throws PortolanError `cli.bad_usage` for what is none */
function playbookOf(name: string): PlaybookName {
  const found = playbookNames.find((one) => one === name);
  if (found === undefined)
    throw new PortolanError<CliErrorCode>("cli.bad_usage", {
      detail: `there is no playbook ${name}`,
      mend: `One of: ${playbookNames.join(", ")}.`,
    });
  return found;
}

function pathOf(id: string): string {
  return `/v1/incidents/${encodeURIComponent(id)}`;
}
