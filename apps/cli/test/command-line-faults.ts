import { Command } from "commander";
import { commandGroups } from "../src/command-groups.ts";

/** Faults of a command line against this program as it is registered; words in capitals are the reader's. */
export async function faultsOf(line: string): Promise<string[]> {
  const [program, first = "", ...words] = line.split(" ");
  if (program !== "portolan") return line.startsWith("PUT /v1/") ? [] : [`not ours: ${line}`];
  const group = commandGroups.find(({ names }) => names.includes(first));
  if (!group) return [`no command: ${line}`];
  const root = new Command();
  (await group.load())(root, () => {
    throw new Error("nothing is run here");
  });
  let command = root.commands.find((one) => one.name() === first);
  const rest = [...words];
  for (let next = command; next; next = command?.commands.find((one) => one.name() === rest[0])) {
    if (next !== command) rest.shift();
    command = next;
    if (command.commands.length === 0) break;
  }
  if (!command || command.commands.length > 0) return [`no such command: ${line}`];
  const flags = rest.filter((word) => word.startsWith("--"));
  const positional = rest.filter((word, at) => !word.startsWith("--") && !isValueAt(command, rest, at));
  const required = command.registeredArguments.filter((one) => one.required).length;
  return [
    ...flags.filter((flag) => flag !== "--as" && !command.options.some((one) => one.long === flag)),
    ...(positional.length >= required ? [] : [`too few arguments: ${line}`]),
    ...command.options
      .filter((one) => one.mandatory && one.defaultValue === undefined && !flags.includes(one.long ?? ""))
      .map((one) => `${line} lacks ${one.long}`),
  ];
}

function isValueAt(command: Command, words: readonly string[], at: number): boolean {
  const before = words[at - 1];
  return before === "--as" || command.options.some((one) => one.long === before && !one.isBoolean());
}
