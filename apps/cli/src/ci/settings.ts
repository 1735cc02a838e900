import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseCharter, requireValid } from "@portolan/charter/policy";
import { PortolanError, requirePrivateTransport } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";
import { readText } from "../project-files.ts";

export const ciSystems = ["github", "gitlab", "argo"] as const;
export type CiSystem = (typeof ciSystems)[number];

/** What a pipeline is written from; each member is safe to stand in a shell word between double quotes. */
export interface CiSettings {
  /** Address of control. */
  readonly url: string;
  /** What `aud` of the job's token says. */
  readonly audience: string;
  readonly useCase: string;
  readonly model: string;
  /** The branch whose pipeline trains and releases. */
  readonly branch: string;
  /** Where the pipeline fetches the command line from, and which commit or version of it. */
  readonly source: string;
  readonly ref: string;
  /** GitHub's OWNER/NAME, GitLab's group/project; of Argo the namespace. */
  readonly place: string;
  /** Who signs the job's token. */
  readonly issuer: string;
}

export interface CiOptions {
  readonly url?: string;
  readonly audience?: string;
  readonly useCase?: string;
  readonly model?: string;
  readonly branch: string;
  readonly source?: string;
  readonly ref?: string;
  readonly repository?: string;
  readonly namespace: string;
  readonly issuer?: string;
}

interface Surroundings {
  /** The repository that the pipeline is for. */
  readonly folder: string;
  /** The checkout of this command line. */
  readonly root: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Completes the options from the folder's charter and git remote, and from the checkout that this command line runs from.
 * @throws PortolanError `cli.bad_usage` for what is missing or not of its form
 */
export async function readCiSettings(
  system: CiSystem,
  options: CiOptions,
  { folder, root, env }: Surroundings,
): Promise<CiSettings> {
  const url = address(options.url ?? env["PORTOLAN_URL"], "--url", "the address of the server");
  const useCase = shaped(options.useCase ?? (await useCaseOf(folder)), "--use-case", forms.name);
  return {
    url,
    audience: shaped(options.audience ?? url, "--audience", forms.audience),
    useCase,
    model: shaped(options.model ?? useCase, "--model", forms.name),
    branch: shaped(options.branch, "--branch", forms.branch),
    source: shaped(options.source ?? (await remoteOf(root)), "--source", forms.source),
    ref: shaped(options.ref ?? (await git(root, "rev-parse", "HEAD")), "--ref", forms.ref),
    place:
      system === "argo"
        ? shaped(options.namespace, "--namespace", forms.name)
        : shaped(options.repository ?? pathOf(await remoteOf(folder)), "--repository", forms.repository),
    issuer: address(options.issuer ?? issuers[system], "--issuer", "who signs the tokens of the cluster"),
  };
}

const issuers: Readonly<Record<CiSystem, string | undefined>> = {
  github: "https://token.actions.githubusercontent.com",
  gitlab: "https://gitlab.com",
  argo: undefined,
};

const forms = {
  name: [/^[a-z0-9]+(-[a-z0-9]+)*$/, "lower-case words joined by hyphens"],
  audience: [/^[A-Za-z0-9._~:/-]+$/, "an address or a word, without blanks"],
  branch: [/^[A-Za-z0-9][A-Za-z0-9._/-]*$/, "the name of a branch"],
  source: [
    /^(https:\/\/|ssh:\/\/git@|git@)[A-Za-z0-9][A-Za-z0-9.:/_~-]*$/,
    "an https or ssh address of a git repository that holds Portolan, without credentials",
  ],
  ref: [
    /^([0-9a-f]{40}|[0-9a-f]{64}|v[0-9]+\.[0-9]+\.[0-9]+)$/,
    "a whole commit id, or a version such as v0.1.0",
  ],
  repository: [/^[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)+$/, "OWNER/NAME, or group/project"],
} as const satisfies Record<string, readonly [RegExp, string]>;

function shaped(value: string | undefined, option: string, [form, what]: readonly [RegExp, string]): string {
  if (value !== undefined && value.length <= 200 && form.test(value)) return value;
  const detail =
    value === undefined
      ? `${option} is missing and found nowhere`
      : `${option} "${value.slice(0, 80)}" will not do`;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", { detail, mend: `Give ${option}: ${what}.` });
}

function address(value: string | undefined, option: string, what: string): string {
  const known = shaped(value, option, [/^https?:\/\/[A-Za-z0-9.:[\]/_~-]+$/, `${what}, with https://`]);
  requirePrivateTransport(known, option);
  return known.replace(/\/+$/, "");
}

async function useCaseOf(folder: string): Promise<string> {
  const { text, path } = await readText(join(folder, "charter.yaml"));
  return requireValid(parseCharter(text, path)).document.useCase.name;
}

/** The address of `origin` without the credentials that some carry. */
async function remoteOf(folder: string): Promise<string | undefined> {
  const found = await git(folder, "config", "--get", "remote.origin.url");
  return found?.replace(/^(https:\/\/)[^/@]*@/, "$1");
}

function pathOf(remote: string | undefined): string | undefined {
  return remote?.replace(/^(?:[a-z]+:\/\/[^/]+\/|git@[^:]+:)/, "").replace(/\.git$/, "");
}

async function git(folder: string, ...args: string[]): Promise<string | undefined> {
  try {
    return (await promisify(execFile)("git", ["-C", folder, ...args], { timeout: 10_000 })).stdout.trim();
  } catch {
    return undefined; // no git, or no repository: the option has to say it
  }
}
