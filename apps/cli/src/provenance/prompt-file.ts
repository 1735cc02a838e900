import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { messageOf, PortolanError } from "@portolan/kernel";
import { StatedPrompt } from "@portolan/registry/contract";
import { promptProblems, readPrompt } from "@portolan/registry/policy";
import { Value } from "@portolan/typebox";
import { placeOf, readYaml } from "@portolan/yaml-source";
import { stringify } from "yaml";
import type { CliErrorCode } from "../errors.ts";

/**
 * Reads the prompt of a text version, and says of each fault where it stands before anybody is asked.
 * @throws PortolanError `cli.bad_file`
 */
export async function readPromptFile(path: string): Promise<StatedPrompt> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw badPrompt(path, `it cannot be read (${messageOf(cause)})`);
  });
  const file = basename(path);
  const reading = readYaml(text, { noun: "prompt", maximumBytes: 256 * 1024 }, file);
  if (reading.kind === "unreadable")
    throw badPrompt(path, "it is no YAML that is taken here", reading.violations);
  const { value, lines } = reading;
  if (!Value.Check(StatedPrompt, value)) {
    const violations = [...Value.Errors(StatedPrompt, value)].map(
      ({ instancePath: pointer, keyword, message }) => ({
        detail: keyword === "boolean" ? `${pointer} is not known here` : `${pointer || "it"} ${message}`,
        at: { file, ...placeOf(pointer, lines), pointer },
      }),
    );
    throw badPrompt(path, "it is no prompt", violations);
  }
  const problems = promptProblems(value);
  if (problems.length > 0) throw badPrompt(path, problems.join("; "));
  return value;
}

/** A signed prompt as people read it, always in one order; `undefined` for bytes that are none. Pure. */
export function promptText(bytes: Uint8Array): string | undefined {
  const prompt = readPrompt(bytes);
  if (!prompt) return undefined;
  const { system, template, sampling } = prompt;
  const stated = { system, template, sampling };
  return stringify(Object.fromEntries(Object.entries(stated).filter(([, value]) => value !== undefined)), {
    lineWidth: 0,
    blockQuote: "literal",
  });
}

function badPrompt(
  path: string,
  detail: string,
  violations: PortolanError["violations"] = [],
): PortolanError<CliErrorCode> {
  return new PortolanError<CliErrorCode>("cli.bad_file", {
    detail: `${path}: ${detail}`,
    mend: "Write system, template and sampling, at least one of them; see docs/upstreams.md.",
    violations,
  });
}
