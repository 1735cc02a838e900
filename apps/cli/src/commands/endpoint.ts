import { resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { asEpochMicros, formatInstant, PortolanError } from "@portolan/kernel";
import type {
  ComputeVerdict,
  DeployedRoute,
  Endpoint,
  EndpointList,
  Route,
} from "@portolan/serving/contract";
import type { Command } from "commander";
import type { ApiClient } from "../client/api-client.ts";
import { findNamed } from "../client/directory.ts";
import { findUseCase } from "../client/use-cases.ts";
import { connect } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { readText } from "../project-files.ts";
import { registerHaltCommands } from "./endpoint-halt.ts";
import { registerSunsetCommands } from "./endpoint-sunset.ts";
import {
  addRoutingOptions,
  keptParts,
  parseRouting,
  type RoutingOptions,
  withTenantIds,
} from "./routing-options.ts";

export function registerEndpointCommands(program: Command, contextOf: ContextOf): void {
  const endpoint = program
    .command("endpoint")
    .description("Put model versions behind endpoints, list endpoints, halt and resume them, and end them")
    .addHelpText("after", "\nExample:\n  portolan endpoint list");
  registerDeploy(endpoint, contextOf);
  registerList(endpoint, contextOf);
  registerHaltCommands(endpoint, contextOf);
  registerSunsetCommands(endpoint, contextOf);
}

interface DeployOptions extends RoutingOptions {
  readonly useCase: string;
  readonly environment: string;
  readonly features?: string;
}

function registerDeploy(endpoint: Command, contextOf: ContextOf): void {
  const command = endpoint
    .command("deploy <endpoint> <model> <version>")
    .description("Put a model version behind an endpoint, under the limits of its charter")
    .requiredOption("--use-case <name>", "use case that it belongs to")
    .option("--environment <name>", "dev (needs no promotion), staging or production", "production")
    .option("--features <file>", "JSON: which inputs the gateway reads from feature views");
  addRoutingOptions(command)
    .addHelpText(
      "after",
      `
Examples:
  portolan endpoint deploy churn churn 1 --use-case churn --environment dev --as lee
  portolan endpoint deploy churn churn 1 --use-case churn --split next=churn/2:10 --as lee
  portolan endpoint deploy churn churn 1 --use-case churn --backend gpu=churn-gpu/1:8ms:0.02USD --as lee
  portolan endpoint deploy churn churn 1 --use-case churn --shadow trial=churn/3 --secondary churn-small/4 --as lee
  portolan endpoint deploy churn churn 1 --use-case churn --keep --workers 1..4 --as lee`,
    )
    .action(
      async (name: string, model: string, version: string, options: DeployOptions, command: Command) => {
        const context = contextOf(command);
        const features =
          options.features === undefined
            ? {}
            : { features: parseFeatures((await readText(resolve(context.cwd, options.features))).text) };
        const asWritten = parseRouting(options);
        const api = await connect(context);
        const routing = await withTenantIds(asWritten, async (unit) => {
          const { id } = await findNamed(api, "/v1/business-units", "business unit", unit);
          return id;
        });
        const useCase = await findUseCase(api, options.useCase);
        const route = await api.json<DeployedRoute>({
          method: "PUT",
          path: `/v1/endpoints/${encodeURIComponent(name)}`,
          body: {
            environment: options.environment,
            useCaseId: useCase.id,
            model,
            version: Number(version),
            ...features,
            ...routing,
            ...keptParts(options),
          },
        });
        const { snapshotVersion, stopped } = await untilPublished(api, route.deploymentId);
        for (const one of route.compute?.disagreements ?? []) context.output.note(`warning: ${one}`);
        if (stopped)
          throw new PortolanError<CliErrorCode>("cli.check_failed", {
            detail: `deployment ${route.deploymentId} of ${name} is on record in ${options.environment}, and nothing is served: ${stopped.detail}`,
            mend: "Once that is over it is served without another deployment.",
          });
        context.output.result(
          { ...route, snapshotVersion },
          `${name} serves ${servesOf(route)} in ${options.environment}, from snapshot ${snapshotVersion} on${backendsOf(route)}`,
        );
      },
    );
}

/** The versions of a route in a few words. */
function servesOf({ model, variants, traffic, secondary }: Route): string {
  const shares = new Map(traffic?.split.map(({ variant, weight }) => [variant, weight]));
  const beside = variants.map((variant) =>
    variant.kind === "shadow"
      ? `shadow ${versionText(variant.model)}`
      : `${shares.get(variant.name) ?? 0} % ${versionText(variant.model)}`,
  );
  const fallback = secondary ? [`secondary ${versionText(secondary.model)}`] : [];
  return [versionText(model), ...beside, ...fallback].join(", ");
}

function takenOf({ displaced, fallbacks }: Route): string {
  if (!displaced) return "";
  const chain = fallbacks.map(({ kind }) => kind).join(", ");
  return `, in whose place the fallback (${chain}) answers since ${formatInstant(asEpochMicros(displaced.since))} for alert ${displaced.alert}`;
}

function endOf({ sunset, retiring = [] }: Route): string {
  const until = (endsAt: number) => `until ${formatInstant(asEpochMicros(endsAt))}`;
  const versions = retiring.map(({ version, endsAt }) => `, version ${version} ${until(endsAt)}`).join("");
  return `${sunset ? `, ${until(sunset.endsAt)}` : ""}${versions}`;
}

/** Where requests go and why, a line for each place. */
function backendsOf({ backends }: Route): string {
  if (!backends) return "";
  const why = {
    cheapest: "the cheapest that keeps the charter's latency",
    fastest: "none keeps the charter's latency, this is the fastest",
    unmeasured: "it is not measured yet: deploy again once it is",
  }[backends.why];
  const lines = backends.order.map(({ hardware, model, latencyMicrosP95, costPerThousand, evidence }, at) => {
    const known =
      evidence === "none"
        ? "not measured"
        : `${(latencyMicrosP95 ?? 0) / 1000} ms, ${costPerThousand} per 1,000, ${evidence}`;
    const part = at === 0 ? `first: ${why}` : "when those before are down";
    return `\n  ${hardware}: ${versionText(model)} (${known}), ${part}`;
  });
  return lines.join("");
}

function versionText({ name, version }: Route["model"]): string {
  return `${name} version ${version}`;
}

const publishLimitMs = 30_000;
const pollMs = 100;

/** A deployment counts when a signed snapshot carries it; gateways take that within a second or two. One that is stopped is carried by none. */
async function untilPublished(
  api: ApiClient,
  deploymentId: string,
): Promise<Pick<Endpoint, "snapshotVersion" | "stopped">> {
  const deadline = performance.now() + publishLimitMs;
  while (performance.now() < deadline) {
    const { endpoints } = await api.json<EndpointList>({ path: "/v1/endpoints" });
    const found = endpoints.find((one) => one.deploymentId === deploymentId);
    if (found?.stopped || typeof found?.snapshotVersion === "number") return found;
    await delay(pollMs);
  }
  throw new PortolanError<CliErrorCode>("cli.check_failed", {
    detail: `the deployment is on record, and no snapshot carries it after ${publishLimitMs / 1000} s`,
    mend: "See why with: portolan logs control",
  });
}

function registerList(endpoint: Command, contextOf: ContextOf): void {
  endpoint
    .command("list")
    .description("Endpoints that you may see, and what they serve")
    .addHelpText("after", "\nExample:\n  portolan endpoint list --json")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const answer = await (await connect(context)).json<EndpointList>({ path: "/v1/endpoints" });
      const rows = answer.endpoints.map(({ name, environment, route, snapshotVersion, compute, stopped }) => [
        name,
        environment,
        stopped ? `nothing: ${stopped.detail}` : servesOf(route) + takenOf(route) + endOf(route),
        String(snapshotVersion ?? "not yet published"),
        tierOf(compute, route),
      ]);
      context.output.result(
        answer,
        table(["endpoint", "environment", "serves", "snapshot", "hardware"], rows),
      );
    });
}

/** What requests go to where there is a choice, else what the measurement asks for. */
function tierOf(compute: ComputeVerdict | null, { backends }: Route): string {
  const hardware = backends?.order[0]?.hardware ?? compute?.tier;
  if (hardware === undefined) return "not measured";
  return compute && compute.disagreements.length > 0
    ? `${hardware}, unlike the plan (--json says why)`
    : hardware;
}

function parseFeatures(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: "the feature plan is not JSON",
      mend: "Check its quotes and commas.",
      cause,
    });
  }
}
