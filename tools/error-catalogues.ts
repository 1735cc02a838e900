import { isNode, isTestFile, readSources, type SourceFile, type SyntaxNode } from "./source-files.ts";

export interface CataloguedError {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  /** The file that declares it. */
  readonly path: string;
}

/** `{…} as const satisfies …` without its wrappings. */
function unwrapped(node: unknown): SyntaxNode | undefined {
  if (!isNode(node)) return undefined;
  return node.type.startsWith("TS") && "expression" in node ? unwrapped(node["expression"]) : node;
}

function literalOf(node: unknown): string | number | undefined {
  const value = isNode(node) && node.type === "Literal" ? node["value"] : undefined;
  return typeof value === "string" || typeof value === "number" ? value : undefined;
}

function properties(node: SyntaxNode): SyntaxNode[] {
  return Array.isArray(node["properties"]) ? node["properties"].filter(isNode) : [];
}

function field(node: SyntaxNode, name: string): string | number | undefined {
  const property = properties(node).find((one) => isNode(one["key"]) && one["key"]["name"] === name);
  return property === undefined ? undefined : literalOf(property["value"]);
}

function catalogueEntry(property: SyntaxNode, path: string): CataloguedError {
  const code = literalOf(property["key"]);
  const spec = unwrapped(property["value"]);
  const status = spec === undefined ? undefined : field(spec, "status");
  const title = spec === undefined ? undefined : field(spec, "title");
  if (typeof code !== "string" || typeof status !== "number" || typeof title !== "string") {
    throw new Error(`${path}: write catalogue entries as "code": { status: number, title: "…" } literals`);
  }
  return { code, status, title, path };
}

function cataloguesIn(file: SourceFile): CataloguedError[] {
  const body = Array.isArray(file.program["body"]) ? file.program["body"].filter(isNode) : [];
  return body.flatMap((statement) => {
    const declaration = statement.type === "ExportNamedDeclaration" ? statement["declaration"] : undefined;
    if (!isNode(declaration) || !Array.isArray(declaration["declarations"])) return [];
    return declaration["declarations"].filter(isNode).flatMap((one) => {
      const name = isNode(one["id"]) ? one["id"]["name"] : undefined;
      const value = unwrapped(one["init"]);
      if (typeof name !== "string" || !name.endsWith("Errors") || value?.type !== "ObjectExpression")
        return [];
      return properties(value).map((property) => catalogueEntry(property, file.path));
    });
  });
}

/** Every entry of every exported `…Errors` catalogue, read from the syntax: no code runs. */
export function readErrorCatalogues(root: string): CataloguedError[] {
  const files = readSources(root, ["packages", "apps"]).filter(({ path }) => !isTestFile(path));
  return files.flatMap(cataloguesIn);
}
