import { refuse } from "../check-values.ts";

/** What an address of MLflow's artifacts proxy names: a file or folder of a run, or of a logged model. */
export interface ArtifactAddress {
  readonly experimentId: string;
  readonly owner: { readonly kind: "run" | "model"; readonly id: string };
  /** Below the owner's root; empty for the root itself. */
  readonly path: string;
}

const mostPathLength = 1_000;
const mostSegmentLength = 255;
/** Control characters, what ends a path in a URL or separates one elsewhere, and escapes that a second decoding would open. */
const oddCharacters = /[\p{Cc}\\#?]|%[0-9a-fA-F]{2}/u;

/**
 * Reads `<experiment>/<run>/artifacts/<path>` or `<experiment>/models/<model>/artifacts/<path>`, decoded once. Pure.
 *
 * @throws PortolanError `tracking.invalid_value` for paths that leave their root or are not plain
 */
export function parseArtifactAddress(text: string): ArtifactAddress {
  const path = checkedPath(text);
  const [experimentId = "", first = "", ...rest] = path.split("/");
  const isModel = first === "models";
  const [id = "", root, ...below] = isModel ? rest : [first, ...rest];
  if (id === "" || root !== "artifacts")
    return odd(text, "it is not <experiment>/<run>/artifacts/<path>, as a run's artifact_uri says it");
  return { experimentId, owner: { kind: isModel ? "model" : "run", id }, path: below.join("/") };
}

/**
 * A path below a root, as it is given; an empty one is the root. Pure.
 *
 * @throws PortolanError `tracking.invalid_value` for paths that leave their root or are not plain
 */
export function checkedPath(text: string): string {
  if (text === "") return text;
  if (text.length > mostPathLength) return odd(text, `it is longer than ${mostPathLength} characters`);
  if (oddCharacters.test(text)) return odd(text, "it holds control characters, an escape, or one of \\ # ?");
  if (/^(\/|[A-Za-z]:)/.test(text)) return odd(text, "it is absolute");
  for (const segment of text.split("/")) {
    if (segment === "" || segment === "." || segment === "..")
      return odd(text, "it holds an empty part, . or ..");
    if (segment.length > mostSegmentLength)
      return odd(text, `a part of it is longer than ${mostSegmentLength} characters`);
  }
  return text;
}

function odd(text: string, why: string): never {
  refuse([
    {
      detail: `${JSON.stringify(text.slice(0, 200))} is no path of an artifact: ${why}`,
      mend: "Name it by a plain path below the run's artifacts.",
      at: { pointer: "/path" },
    },
  ]);
  throw new TypeError("unreachable");
}
