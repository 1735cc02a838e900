import { PortolanError } from "@portolan/kernel";
import { type DeployRequest, keepable } from "@portolan/serving/contract";
import type { Command } from "commander";
import type { CliErrorCode } from "../errors.ts";
import { parseScaling } from "./scaling-options.ts";

/** How a deployment shares requests out, as it is written on the command line. */
export interface RoutingOptions {
  readonly split?: readonly string[];
  readonly shadow?: readonly string[];
  readonly rule?: readonly string[];
  readonly secondary?: string;
  readonly sticky?: string;
  readonly cache?: string;
  readonly batchDelay?: string;
  readonly preferredRows?: string;
  readonly workers?: string;
  readonly scale?: readonly string[];
  readonly backend?: readonly string[];
  readonly keep?: boolean;
}

type Routing = Pick<
  DeployRequest,
  "variants" | "traffic" | "secondary" | "cacheMebibytes" | "batching" | "scaling" | "backends"
>;
type Traffic = NonNullable<DeployRequest["traffic"]>;

export function addRoutingOptions(command: Command): Command {
  return command
    .option("--split <name=model/version:percent...>", "another version that answers a share of the requests")
    .option(
      "--shadow <name=model/version:percent...>",
      "another version that sees copies of the requests, unseen; of all of them where no percentage is named",
    )
    .option(
      "--rule <header=value:name...>",
      "requests with this header go to that split variant; tenant=operations:name and principal=sa_…:name look at who asks",
    )
    .option(
      "--sticky <by>",
      "principal, tenant, request, or a header's name: who keeps meeting the same version (default: principal)",
    )
    .option("--cache <MiB>", "keep answers by exact inputs, per version and gateway process")
    .option(
      "--batch-delay <time>",
      "how long requests that found the model busy may wait for company, e.g. 2ms; at most a quarter of the charter's p95 (default: not at all)",
    )
    .option("--preferred-rows <sizes>", "sizes of a run that the model computes best, e.g. 8,16,32")
    .option(
      "--workers <least..most>",
      "threads or runner processes of the model in each gateway process, e.g. 1..4; 0..4 lets a model that nobody asks for leave memory",
    )
    .option(
      "--scale <setting=value...>",
      "how fast the number of workers follows the load: utilisation=0.7 rows=64 up=2 down=1 window=60s idle=300s (the defaults); needs --workers",
    )
    .option(
      "--backend <hardware=model/version:p95:cost...>",
      "another server that runs this model (an upstream version), on gpu, cpu or edge, with its p95 of one row and its cost of 1,000, e.g. gpu=churn-gpu/1:8ms:0.02USD; requests go to the cheapest that keeps the charter's p95",
    )
    .option("--secondary <model/version>", "the simpler model of the charter's fallback chain")
    .option(
      "--keep",
      "what no option names stays as it is deployed now; --backend none leaves other servers out",
    );
}

/** Which parts each option states: what is named does not stay as it is. */
const partsOf = {
  features: ["features"],
  // Variants of the kinds that are not stated stay: control puts both together.
  split: ["traffic"],
  cache: ["cacheMebibytes"],
  batchDelay: ["batching"],
  preferredRows: ["batching"],
  backend: ["backends"],
  secondary: ["secondary"],
} as const satisfies Readonly<Record<string, readonly (typeof keepable)[number][]>>;

/** Parts that stay as they are deployed now. */
export function keptParts(options: RoutingOptions & { readonly features?: string }): {
  readonly keep?: (typeof keepable)[number][];
} {
  if (options.keep !== true) return {};
  const named = (Object.keys(partsOf) as (keyof typeof partsOf)[]).filter(
    (option) => options[option] !== undefined,
  );
  const stated = new Set<string>(named.flatMap((option) => partsOf[option]));
  return { keep: keepable.filter((part) => !stated.has(part)) };
}

/** @throws PortolanError `cli.bad_usage` */
export function parseRouting({
  split = [],
  shadow = [],
  rule = [],
  secondary,
  sticky,
  cache,
  batchDelay,
  preferredRows,
  workers,
  scale = [],
  backend = [],
}: RoutingOptions): Routing {
  if (split.length === 0) requireNoShares(rule, sticky);
  const splits = split.map((text) => parseVariant(text, "--split", "next=churn/2:10"));
  const shadows = shadow.map((text) => parseVariant(text, "--shadow", "trial=churn/3"));
  const variants = [
    ...splits.map(({ name, version }) => ({ name, kind: "split" as const, ...version })),
    ...shadows.map(({ name, version, percent = 100 }) => ({
      name,
      kind: "shadow" as const,
      ...version,
      sample: percent / 100,
    })),
  ];
  const traffic: Traffic = {
    split: splits.map(({ name, percent = 0 }) => ({ variant: name, weight: percent })),
    rules: rule.map(parseRule),
    sticky: stickyOf(sticky),
  };
  return {
    ...(variants.length === 0 ? {} : { variants }),
    ...(splits.length === 0 ? {} : { traffic }),
    ...(cache === undefined ? {} : { cacheMebibytes: parseMebibytes(cache) }),
    ...(batchDelay === undefined && preferredRows === undefined
      ? {}
      : { batching: { maxDelayMs: parseDelay(batchDelay), preferredRows: parseSizes(preferredRows) } }),
    ...(workers === undefined && scale.length === 0 ? {} : { scaling: parseScaling(workers, scale) }),
    ...(backend.length === 0 || isNone(backend) ? {} : { backends: backend.map(parseBackend) }),
    ...(secondary === undefined
      ? {}
      : { secondary: parseVersion(secondary, "--secondary", "churn-small/4") }),
  };
}

/** Who gets which share is said of shares: by itself it would be left out without a word. */
function requireNoShares(rule: readonly string[], sticky: string | undefined): void {
  const [stated] = [
    ...rule.map((text) => `--rule ${text}`),
    ...(sticky === undefined ? [] : [`--sticky ${sticky}`]),
  ];
  if (stated === undefined) return;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `${stated.slice(0, 80)} says who gets a share, and no --split says what share`,
    mend: "Write both, like --split next=churn/2:10 --rule x-ring=beta:next --sticky tenant",
  });
}

function isNone(backend: readonly string[]): boolean {
  return backend.length === 1 && backend[0] === "none";
}

function stickyOf(text: string | undefined): NonNullable<Traffic["sticky"]> {
  return text === undefined || text === "principal" || text === "tenant" || text === "request"
    ? (text ?? "principal")
    : { header: text.toLowerCase() };
}

function parseVariant(text: string, option: string, example: string) {
  const [, name = "", version = "", percent] = /^([^=]+)=([^:]+)(?::(\d+(?:\.\d+)?))?$/.exec(text) ?? [];
  if (name === "") throw badUsage(option, text, example);
  return {
    name,
    version: parseVersion(version, option, example),
    ...(percent === undefined ? {} : { percent: Number(percent) }),
  };
}

function parseVersion(text: string, option: string, example: string) {
  const [, model = "", version = ""] = /^(.+)\/(\d+)$/.exec(text) ?? [];
  if (model === "") throw badUsage(option, text, example);
  return { model, version: Number(version) };
}

const backendForm = /^(cpu|gpu|edge)=([^:]+):(\d{1,6}(?:\.\d{1,3})?)ms:(\d+(?:\.\d{1,9})?)\s*([A-Z]{3})$/;

function parseBackend(text: string) {
  const example = "gpu=churn-gpu/1:8ms:0.02USD";
  const [, hardware, version = "", p95 = "", amount = "", currency = ""] = backendForm.exec(text) ?? [];
  if (hardware === undefined) throw badUsage("--backend", text, example);
  return {
    hardware: hardware as NonNullable<DeployRequest["backends"]>[number]["hardware"],
    ...parseVersion(version, "--backend", example),
    latencyMicrosP95: Math.round(Number(p95) * 1000),
    costPerThousand: `${amount} ${currency}`,
  };
}

function parseMebibytes(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw badUsage("--cache", text, "16");
  return Number(text);
}

/** Whole milliseconds: timers know no shorter time. */
function parseDelay(text = "0ms"): number {
  const [, number] = /^(\d{1,4})\s*ms$/.exec(text) ?? [];
  if (number === undefined) throw badUsage("--batch-delay", text, "2ms");
  return Number(number);
}

function parseSizes(text: string | undefined): number[] {
  if (text === undefined) return [];
  if (!/^\d{1,4}(\s*,\s*\d{1,4})*$/.test(text)) throw badUsage("--preferred-rows", text, "8,16,32");
  return text.split(",").map(Number);
}

function parseRule(text: string): NonNullable<Traffic["rules"]>[number] {
  const [, header = "", value = "", variant = ""] = /^([^=]+)=(.+):([^:]+)$/.exec(text) ?? [];
  if (header === "") throw badUsage("--rule", text, "x-ring=beta:next");
  const by = header === "tenant" || header === "principal" ? header : { header: header.toLowerCase() };
  return { by, values: [value], variant };
}

function badUsage(option: string, text: string, example: string): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `${option} "${text.slice(0, 80)}" is not understood`,
    mend: `Write it like ${option} ${example}`,
  });
}

/** The routing with ids of business units in place of the names that rules by tenant were written with. */
export async function withTenantIds(
  routing: Routing,
  idOf: (name: string) => Promise<string>,
): Promise<Routing> {
  const { traffic } = routing;
  if (!traffic?.rules?.some(({ by }) => by === "tenant")) return routing;
  const rules = await Promise.all(
    traffic.rules.map(async (rule) =>
      rule.by === "tenant" ? { ...rule, values: await Promise.all(rule.values.map(idOf)) } : rule,
    ),
  );
  return { ...routing, traffic: { ...traffic, rules } };
}
