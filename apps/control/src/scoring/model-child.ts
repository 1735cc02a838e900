import { type Digest, type ObjectStore, PortolanError } from "@portolan/kernel";
import type { ModelRuntime } from "@portolan/serving/policy";
import type { RowsAnswered, RowsAsked } from "./score-messages.ts";
import { loadUpstream, runElsewhere, upstreamOf } from "./upstream-rows.ts";
import { askWalledChild } from "./walled-child.ts";

/** A model that has not answered by then hangs. A million rows of a small model take seconds. */
const limitMs = 10 * 60_000;

/** A million rows of a hundred features are 0.4 GB, and a model no larger than what a runner may take. */
const memoryBytes = 4 * 2 ** 30;

/** Where models and rows come from. */
export interface ModelSources {
  readonly objects: ObjectStore;
  readonly upstreams: ModelRuntime;
}

/** A program that is asked about one model and rows, and sees nothing else. */
export interface ModelChild {
  readonly entry: string;
  readonly model: Digest;
  /** Files of rows. */
  readonly datasets: readonly string[];
}

/**
 * Asks a child process about a model that it opens itself, or, where another server runs it, has this process ask: the child reaches no network. It is killed
 * when it hangs, takes too much memory, or the signal says so.
 * @param jobOf what the child is told; without a path another server runs the model
 * @throws PortolanError `evaluation.not_scorable`, `upstream.*`
 */
export async function askModelChild<Answer extends { readonly kind: string }>(
  { objects, upstreams }: ModelSources,
  { entry, model: digest, datasets }: ModelChild,
  jobOf: (modelPath: string | undefined) => object,
  signal: AbortSignal,
): Promise<Answer> {
  const upstream = await upstreamOf(objects, digest);
  if (upstream?.protocol === "openai") throw notScorable("a text model has no rows to be scored on");
  const modelPath = upstream ? undefined : await objects.localPath(digest);
  const model = upstream && (await loadUpstream(upstreams, objects, digest, upstream));
  const run = async (asked: RowsAsked): Promise<RowsAnswered> =>
    model
      ? runElsewhere(model, upstream, asked)
      : { kind: "failed", reason: "the model is not run elsewhere" };
  try {
    const walled = {
      entry,
      readable: [...(modelPath === undefined ? [] : [modelPath]), ...datasets],
      memoryBytes,
      limitMs,
      answer: (message: unknown) => {
        const asked = message as Answer | RowsAsked;
        return isRun(asked) ? run(asked) : undefined;
      },
    };
    return await askWalledChild<Answer>(walled, jobOf(modelPath), signal, notScorable);
  } finally {
    await model?.close();
  }
}

function isRun(message: { readonly kind: string }): message is RowsAsked {
  return message.kind === "run";
}

/** Why rows, columns or outputs do not fit. */
export function notScorable(detail: string): PortolanError {
  return new PortolanError("evaluation.not_scorable", {
    detail,
    mend: "Check the columns and the model's output; see docs/errors.",
  });
}
