import { PortolanError } from "@portolan/kernel";
import type { FlagDefinition, FlagRule, FlagValue } from "@portolan/serving/contract";
import type { Command } from "commander";
import type { CliErrorCode } from "../errors.ts";

/** How a flag is stated on the command line; what is left out stays as it is in force. */
export interface FlagOptions {
  readonly values?: string;
  readonly default?: string;
  readonly rule?: readonly string[];
  readonly split?: readonly string[];
  /** False: `--no-…`. */
  readonly rules?: boolean;
  readonly shares?: boolean;
  readonly sticky?: string;
  readonly decides?: string;
  readonly description?: string;
  readonly on?: boolean;
  readonly off?: boolean;
}

export function addFlagOptions(command: Command): Command {
  return command
    .option("--values <texts>", "what it may say, e.g. blue,green (default: true and false)")
    .option("--default <value>", "what it says where no rule and no share decides (default: false)")
    .option(
      "--rule <by=who:value:percent...>",
      "who gets which value, the first that fits: tenant=, group= (business unit, team or use case), role=, principal=, or an attribute of the context; with a percentage (which may be left out), that share of them",
    )
    .option("--no-rules", "take all rules away")
    .option("--split <value:percent...>", "shares of all others")
    .option("--no-shares", "take all shares away")
    .option(
      "--sticky <by>",
      "entity (targetingKey; of predictions the header x-portolan-entity), principal or tenant: who keeps meeting the same value (default: entity)",
    )
    .option(
      "--decides <what>",
      "variant: a value that a rule or a share gives names the variant that answers a prediction; nothing",
    )
    .option("--description <text>", "what it is for")
    .option("--on", "rules and shares count (default)")
    .option("--off", "it says its default; takes no approval");
}

/** The definition in force with what the options change of it. @throws PortolanError `cli.bad_usage` */
export function parseFlag(options: FlagOptions, before: FlagDefinition | null): FlagDefinition {
  if (options.on && options.off) throw badUsage("--on and --off", "one of them");
  const values =
    options.values === undefined ? before?.values : options.values.split(",").map((one) => one.trim());
  const value = (text: string, option: string) => parseValue(text, values !== undefined, option);
  const description = options.description ?? before?.description;
  const decides = parseDecides(options.decides, before);
  return {
    ...(description === undefined ? {} : { description }),
    ...(values === undefined ? {} : { values }),
    default:
      options.default === undefined
        ? (before?.default ?? values?.[0] ?? false)
        : value(options.default, "--default"),
    enabled: options.off ? false : options.on ? true : (before?.enabled ?? true),
    rules: options.rule
      ? options.rule.map((text) => parseRule(text, value))
      : options.rules === false
        ? []
        : (before?.rules ?? []),
    split: options.split
      ? options.split.map((text) => parseShare(text, value))
      : options.shares === false
        ? []
        : (before?.split ?? []),
    sticky: parseSticky(options.sticky) ?? before?.sticky ?? "entity",
    ...(decides === undefined ? {} : { decides }),
  };
}

type ReadValue = (text: string, option: string) => FlagValue;

function parseValue(text: string, isText: boolean, option: string): FlagValue {
  if (isText) return text;
  if (text === "true" || text === "on") return true;
  if (text === "false" || text === "off") return false;
  throw badUsage(`${option} "${text.slice(0, 80)}"`, "true or false, or list texts with --values");
}

const callersTraits = ["principal", "tenant", "group", "role"] as const;

function parseRule(text: string, value: ReadValue): FlagRule {
  const [, name = "", who = "", says = "", percent] =
    /^([^=]+)=([^:]+):([^:]+)(?::(\d{1,3}(?:\.\d+)?))?$/.exec(text) ?? [];
  if (name === "") throw badUsage(`--rule "${text.slice(0, 80)}"`, "--rule tenant=operations:true:25");
  return {
    by: callersTraits.find((one) => one === name) ?? { attribute: name },
    values: who.split(",").map((one) => one.trim()),
    value: value(says, "--rule"),
    ...(percent === undefined ? {} : { percent: Number(percent) }),
  };
}

function parseShare(text: string, value: ReadValue): FlagDefinition["split"][number] {
  const [, says = "", percent = ""] = /^([^:]+):(\d{1,3}(?:\.\d+)?)$/.exec(text) ?? [];
  if (says === "") throw badUsage(`--split "${text.slice(0, 80)}"`, "--split true:10");
  return { value: value(says, "--split"), weight: Number(percent) };
}

function parseSticky(text: string | undefined): FlagDefinition["sticky"] | undefined {
  if (text === undefined || text === "entity" || text === "principal" || text === "tenant") return text;
  throw badUsage(`--sticky "${text.slice(0, 80)}"`, "entity, principal or tenant");
}

function parseDecides(text: string | undefined, before: FlagDefinition | null): FlagDefinition["decides"] {
  if (text === undefined) return before?.decides;
  if (text === "variant") return text;
  if (text === "nothing") return undefined;
  throw badUsage(`--decides "${text.slice(0, 80)}"`, "variant or nothing");
}

function badUsage(what: string, example: string): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `${what}: not understood`,
    mend: `Write ${example}.`,
  });
}

/** The flag with ids in place of the names that rules by tenant and group were written with. */
export async function withIds(
  flag: FlagDefinition,
  idOf: (by: "tenant" | "group", name: string) => Promise<string>,
): Promise<FlagDefinition> {
  const rules = await Promise.all(
    flag.rules.map(async (rule) => {
      const { by } = rule;
      if (by !== "tenant" && by !== "group") return rule;
      return { ...rule, values: await Promise.all(rule.values.map((name) => idOf(by, name))) };
    }),
  );
  return { ...flag, rules };
}
