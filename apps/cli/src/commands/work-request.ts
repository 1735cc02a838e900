import type { JobWindow, WorkRequest } from "@portolan/capacity/contract";
import { formatDurationMs, parseDurationMs, parseInstant } from "@portolan/kernel";
import type { Command } from "commander";
import { badUsage } from "../read-input.ts";

export interface RequestOptions {
  readonly cpu?: string;
  readonly memory?: string;
  readonly gpu?: readonly string[];
  readonly mig?: readonly string[];
  readonly timeLimit?: string;
  readonly priority?: string;
}

/** When a job may begin. */
export interface TimeOptions {
  readonly window?: readonly string[];
  readonly notBefore?: string;
}

export function withTimeOptions(command: Command): Command {
  return command
    .option("--window <from-to...>", "begins only then (UTC), e.g. 22:00-06:00")
    .option("--not-before <instant>", "does not begin before, e.g. 2026-12-01T22:00:00Z");
}

/** @param whose begins the first option's text, where one command asks for several */
export function withRequestOptions(command: Command, whose = ""): Command {
  return withTimeOptions(command)
    .option("--cpu <cores>", `${whose}what it asks of its team's quota, e.g. 2 or 0.5`)
    .option("--memory <size>", "e.g. 16GiB")
    .option("--gpu <card:count...>", "whole cards, e.g. a100:1")
    .option("--mig <slice:count...>", "slices, e.g. 1g.10gb:2, or of a card: H100-80GB/1g.10gb:2")
    .option("--time-limit <time>", "it is stopped when it has worked so long, e.g. 90min or 12h")
    .option("--priority <n>", "among those that wait, -10 to 10");
}

/** What the options ask for. @throws PortolanError `cli.bad_usage` */
export function requestOf({
  cpu,
  memory,
  gpu = [],
  mig = [],
  timeLimit,
}: RequestOptions): WorkRequest | undefined {
  const gpus = [
    ...gpu.map((text) => {
      const { name, count } = counted(text, "--gpu", "a100:1");
      return { model: name, count };
    }),
    ...mig.map((text) => {
      const { name, count } = counted(text, "--mig", "1g.10gb:2");
      const [profile = "", ...model] = name.split("/").toReversed();
      return { profile, count, ...(model[0] === undefined ? {} : { model: model[0] }) };
    }),
  ];
  const request = {
    ...(cpu === undefined ? {} : { cpu }),
    ...(memory === undefined ? {} : { memory }),
    ...(gpus.length === 0 ? {} : { gpus }),
    ...(timeLimit === undefined ? {} : { timeLimitSeconds: secondsOf(timeLimit) }),
  };
  return Object.keys(request).length === 0 ? undefined : request;
}

/** What `portolan job submit` and others send of the options. @throws PortolanError `cli.bad_usage` */
export function workTermsOf(options: RequestOptions & TimeOptions) {
  const [resources, priority] = [requestOf(options), priorityOf(options.priority)];
  return {
    ...(resources === undefined ? {} : { resources }),
    ...(priority === undefined ? {} : { priority }),
    ...timesOf(options),
  };
}

/** For people; nothing where no limit was asked for. Pure. */
export function timeLimitLine(resources: WorkRequest | undefined): string[] {
  const seconds = resources?.timeLimitSeconds;
  return seconds === undefined
    ? []
    : [`it is stopped when it has worked for ${formatDurationMs(seconds * 1000)}`];
}

const yearSeconds = 31_536_000;

function secondsOf(text: string): number {
  const [, number = "", unit = ""] = /^(\d+(?:\.\d+)?)(s|min|h|d)$/.exec(text) ?? [];
  const seconds = number === "" ? 0 : parseDurationMs(`${number}${unit}`) / 1000;
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= yearSeconds) return seconds;
  throw badUsage(
    `"${text.slice(0, 20)}" is no time limit`,
    "Give whole seconds, at most a year, e.g. --time-limit 90s, 90min, 12h or 7d.",
  );
}

function counted(
  text: string,
  option: string,
  example: string,
): { readonly name: string; readonly count: number } {
  const [, name = "", number = "1"] = /^([^:]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const count = Number(number);
  if (name !== "" && count >= 1 && count <= 10_000) return { name, count };
  throw badUsage(
    `${option} ${text.slice(0, 60)} says no number of anything`,
    `Write it as ${option} ${example}.`,
  );
}

/** @throws PortolanError `cli.bad_usage` */
export function priorityOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^-?\d+$/.test(text) && Math.abs(Number(text)) <= 10) return Number(text);
  throw badUsage(`"${text.slice(0, 20)}" is no priority`, "Give a whole number from -10 to 10.");
}

/** @throws PortolanError `cli.bad_usage`, `kernel.bad_unit` */
export function timesOf({ window, notBefore }: TimeOptions): {
  readonly windows?: readonly JobWindow[];
  readonly notBefore?: number;
} {
  return {
    ...(window === undefined ? {} : { windows: window.map(windowOf) }),
    ...(notBefore === undefined ? {} : { notBefore: parseInstant(notBefore) }),
  };
}

function windowOf(text: string): JobWindow {
  const time = "([01]\\d|2[0-3]):[0-5]\\d";
  if (!new RegExp(`^${time}-${time}$`).test(text))
    throw badUsage(
      `"${text.slice(0, 40)}" is no window of a day`,
      "Write two times of the day in UTC, e.g. 22:00-06:00.",
    );
  const [from = "", to = ""] = text.split("-");
  return { from, to };
}
