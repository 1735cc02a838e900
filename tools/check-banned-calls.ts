import {
  type CheckReport,
  isNode,
  isTestFile,
  lineOf,
  readSources,
  type SourceFile,
  type SyntaxNode,
  visit,
} from "./source-files.ts";

interface Ban {
  readonly what: string;
  readonly instead: string;
  allowedIn(path: string): boolean;
  matches(node: SyntaxNode): boolean;
}

const isIdentifier = (node: unknown, name: string): boolean =>
  isNode(node) && node.type === "Identifier" && node["name"] === name;

const isMember = (node: SyntaxNode, object: string, property: string): boolean =>
  node.type === "MemberExpression" &&
  isIdentifier(node["object"], object) &&
  isIdentifier(node["property"], property);

const isClock = (path: string): boolean => path === "packages/kernel/src/time.ts";
const isEntry = (path: string): boolean => /^apps\/[\w-]+\/src\/main\.ts$/.test(path);

const bans: readonly Ban[] = [
  {
    what: "Date.now()",
    instead: "inject a Clock",
    allowedIn: isClock,
    matches: (node) => isMember(node, "Date", "now"),
  },
  {
    what: "new Date()",
    instead: "use EpochMicros of @portolan/kernel: a Date drops microseconds",
    allowedIn: isClock,
    matches: (node) =>
      (node.type === "NewExpression" || node.type === "CallExpression") &&
      isIdentifier(node["callee"], "Date"),
  },
  {
    what: "Temporal.Now",
    instead: "inject a Clock",
    allowedIn: isClock,
    matches: (node) => isMember(node, "Temporal", "Now"),
  },
  {
    what: "process.env",
    instead: "read it in the app's main.ts and pass a checked configuration",
    allowedIn: isEntry,
    matches: (node) =>
      isMember(node, "process", "env") ||
      (node.type === "ImportSpecifier" &&
        isIdentifier(node["imported"], "env") &&
        node["importKind"] !== "type"),
  },
];

function bannedIn(file: SourceFile): string[] {
  const problems: string[] = [];
  const active = bans.filter((ban) => !ban.allowedIn(file.path));
  visit(file.program, (node) => {
    for (const ban of active) {
      if (ban.matches(node))
        problems.push(`${file.path}:${lineOf(file.text, node.start)} uses ${ban.what}: ${ban.instead}`);
    }
  });
  return problems;
}

/** Tests of one process share the modules of their helpers: hooks that one registers by itself are the first file's alone. */
function hooksOfItsOwn(file: SourceFile): string[] {
  const body = file.program["body"];
  const statements = Array.isArray(body) ? body.filter(isNode) : [];
  return statements.flatMap((statement) => {
    const call = statement["expression"];
    if (statement.type !== "ExpressionStatement" || !isNode(call) || call.type !== "CallExpression")
      return [];
    const name = isNode(call["callee"]) ? call["callee"]["name"] : undefined;
    if (typeof name !== "string" || !/^(before|after)(All|Each)$/.test(name)) return [];
    const where = `${file.path}:${lineOf(file.text, statement.start)}`;
    return [`${where} calls ${name}() for whoever imports it: export a function that test files call`];
  });
}

/** Hidden inputs (the wall clock, the environment) outside the few files that own them; tests are free. And hooks in helpers of tests. */
export function checkBannedCalls(root: string): CheckReport {
  const files = readSources(root, ["packages", "apps"]);
  const ours = files.filter((file) => !isTestFile(file.path));
  const helpers = files.filter((file) => isTestFile(file.path) && !file.path.endsWith(".test.ts"));
  const problems = [...ours.flatMap(bannedIn), ...helpers.flatMap(hooksOfItsOwn)];
  return { examined: ours.length + helpers.length, problems };
}
