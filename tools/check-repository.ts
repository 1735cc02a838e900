import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { type CheckReport, repositoryFiles } from "./source-files.ts";

/** Written in two halves, so that this file does not report itself. */
const forbidden: readonly { readonly pattern: RegExp; readonly why: string }[] = [
  {
    pattern: new RegExp(
      String.raw`(?<![\w.~:/-])/(?:wo` + String.raw`rk|ro` + String.raw`ot|Users|home/[a-z]\w*)/[\w.-]+`,
    ),
    why: "names a path of one machine",
  },
  {
    pattern: new RegExp(String.raw`(?<![\w.~:/-])/op` + String.raw`t/n24`),
    why: "names a path of one machine",
  },
  {
    pattern: new RegExp(
      "registry\\.npm" + "js\\.org|files\\.python" + "hosted\\.org|\\bpypi\\.o" + "rg/simple",
    ),
    why: "names a package registry: each machine configures its own",
  },
  {
    pattern: new RegExp('"reso' + 'lved": "https?:'),
    why: "pins a package to one registry's address: set omit-lockfile-registry-resolved",
  },
];

/** Beyond this a file is data, not text that somebody wrote. */
const largestTextBytes = 2_000_000;
const textual =
  /\.(ts|js|mjs|json|md|ya?ml|sql|py|sh|lock|txt|toml|cedar|css|html)$|(^|\/)(portolan|run|\.npmrc|LICENSE)$/;

function contentProblems(path: string, text: string): string[] {
  return forbidden.flatMap(({ pattern, why }) => {
    const line = text.split("\n").findIndex((one) => pattern.test(one));
    return line < 0 ? [] : [`${path}:${line + 1} ${why}`];
  });
}

/** Targets of `[text](target)` and `[label]: target` outside code, as far as they point into the repository. */
function relativeLinks(markdown: string): string[] {
  const prose = markdown.replace(/^(```|~~~)[\s\S]*?^\1/gm, "").replace(/`[^`\n]*`/g, "");
  const found = [...prose.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)|^\[[^\]]+\]:\s*(\S+)/gm)];
  return found
    .map((match) => match[1] ?? match[2] ?? "")
    .filter((target) => !/^([a-z][a-z0-9+.-]*:|#)/i.test(target));
}

function linkProblems(root: string, path: string, text: string): string[] {
  return relativeLinks(text).flatMap((target) => {
    const file = decodeURIComponent(target.split("#")[0] ?? "");
    return file === "" || existsSync(join(root, posix.join(dirname(path), file)))
      ? []
      : [`${path} links to ${target}, which is not there`];
  });
}

/** Nothing of one machine in the files, and no dead relative link in the documentation. */
export function checkRepository(root: string): CheckReport {
  const files = repositoryFiles(root).filter(
    (path) => textual.test(path) && statSync(join(root, path)).size <= largestTextBytes,
  );
  const problems = files.flatMap((path) => {
    const text = readFileSync(join(root, path), "utf8");
    return [...contentProblems(path, text), ...(path.endsWith(".md") ? linkProblems(root, path, text) : [])];
  });
  return { examined: files.length, problems };
}
