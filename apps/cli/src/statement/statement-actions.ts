import type { StatementDocument } from "@portolan/metering";
import { cents, nameOf, usedText } from "./statement-words.ts";

type Line = StatementDocument["lines"][number];
type Action = NonNullable<Line["actions"]>[number];

/**
 * A line for each name, such as `marketing/growth: 14,784.00, 3840 gpu_hours: 70.0 % recommendation inference (it may fit processors: saves at most 10,348.80, less what
 * those cost). To do it: portolan endpoint deploy ENDPOINT MODEL VERSION --use-case recommendation --keep --backend none`.
 */
export function actionLines({ lines }: StatementDocument): string[] {
  return lines.flatMap(({ actions = [], ...line }) =>
    actions.length === 0
      ? []
      : [
          `${nameOf(line)}: ${cents(line.own)}, ${usedText(line.used)}: ${actions.map(actionText).join(", ")}${commandsText(actions)}`,
        ],
  );
}

/** Each once, in the order of the actions. */
function commandsText(actions: readonly Action[]): string {
  const commands = new Set(actions.flatMap(({ command }) => command ?? []));
  return commands.size === 0 ? "" : `. To do it: ${[...commands].join("; ")}`;
}

export function actionText({ kind, activity, useCases, share, savesAtMost = "0" }: Action): string {
  const what = [...(useCases.length === 1 ? useCases : []), activity].filter(Boolean).join(" ") || "use";
  const part = `${(Number(share) * 100).toFixed(1)} %`;
  if (kind === "stop_idle")
    return `${part} idle ${what} (end what is idle: saves at most ${cents(savesAtMost)})`;
  if (kind === "move_to_cpu")
    return `${part} ${what} (it may fit processors: saves at most ${cents(savesAtMost)}, less what those cost)`;
  return `${part} ${what} (expected)`;
}
