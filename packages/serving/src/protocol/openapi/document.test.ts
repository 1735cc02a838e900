import { expect, test } from "vitest";
import { readPath } from "../paths.ts";
import { gatewayOpenApi } from "./document.ts";

type Operation = { readonly operationId: string; readonly requestBody?: object };
const document = gatewayOpenApi("1.2.3") as unknown as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
);

test("each documented call is one that the gateway routes, under its own name, and takes a body when it is posted", () => {
  for (const { path, method, operation } of operations) {
    const routed = readPath(method, path.replace("{model}", "m").replace("{version}", "1"));
    expect([path, routed.kind]).not.toEqual([path, expect.stringMatching(/unknown|wrong_method/)]);
    const operationName = "operation" in routed ? `text_${routed.operation}` : routed.kind;
    const name = operationName.replaceAll(/_(\w)/g, (_all, letter: string) => letter.toUpperCase());
    const suffix = "version" in routed ? "OfVersion" : "";
    expect(operation.operationId).toBe(path === "/" ? "v1Live" : `${name}${suffix}`);
    expect(operation.requestBody !== undefined).toBe(method === "POST");
  }
});

test("no operation of the protocols is left out", () => {
  const kinds = new Set(
    operations.map(({ path, method }) => readPath(method, path.replaceAll(/\{\w+\}/g, "m")).kind),
  );
  expect([...kinds].toSorted()).toEqual([
    "all_statistics",
    "evaluate_flag",
    "evaluate_flags",
    "healthz",
    "infer",
    "model_config",
    "model_list",
    "model_metadata",
    "model_ready",
    "model_statistics",
    "read_features",
    "readyz",
    "repository_index",
    "repository_load",
    "repository_unload",
    "server_live",
    "server_metadata",
    "server_ready",
    "text",
    "v1_model_list",
    "v1_model_ready",
    "v1_predict",
  ]);
});

test("every reference leads to something, and nothing is described that is not referred to", () => {
  const text = JSON.stringify(document);
  const { components } = document as unknown as { components: { schemas: Record<string, unknown> } };
  const referred = new Set(
    [...text.matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name ?? ""),
  );
  expect([...referred].toSorted()).toEqual(Object.keys(components.schemas).toSorted());
});
