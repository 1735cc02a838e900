import { createRequire, registerHooks } from "node:module";
import { basename, join } from "node:path";
import { messageOf, PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "./errors.ts";
import type { TextFile } from "./project-files.ts";

/** How a user's module names what this installation brings; the folder has no packages of its own. */
const builder = "@portolan/features/builder";

interface ExportedView {
  readonly name: string;
  readonly document: string;
}

/**
 * Feature views that TypeScript modules export, as the YAML that means them. Runs the modules: they are the user's own code, as a
 * package's scripts are.
 *
 * @throws PortolanError `cli.bad_file` when a module cannot be run, or exports no view
 */
export function readViewModules(paths: readonly string[]): TextFile[] {
  if (paths.length === 0) return [];
  const url = import.meta.resolve(builder);
  const hooks = registerHooks({
    resolve: (specifier, context, next) =>
      specifier === builder ? { url, shortCircuit: true } : next(specifier, context),
  });
  try {
    return paths.flatMap(viewsOf);
  } finally {
    hooks.deregister();
  }
}

function viewsOf(path: string): TextFile[] {
  let exported: unknown;
  try {
    exported = createRequire(import.meta.url)(path);
  } catch (cause) {
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: `${path} does not run: ${messageOf(cause)}`,
      mend: "Correct the module; it may import @portolan/features/builder and files beside it.",
      cause,
    });
  }
  const views = Object.values(exported ?? {}).filter(isView);
  if (views.length === 0)
    throw new PortolanError<CliErrorCode>("cli.bad_file", {
      detail: `${basename(path)} exports no feature view`,
      mend: "Export what defineView gives: export const routes = defineView({ … });",
    });
  return views.map(({ name, document }) => ({ path: join(path, "..", `${name}.yaml`), text: document }));
}

function isView(value: unknown): value is ExportedView {
  return (
    typeof value === "object" &&
    value !== null &&
    "name" in value &&
    typeof value.name === "string" &&
    "document" in value &&
    typeof value.document === "string"
  );
}
