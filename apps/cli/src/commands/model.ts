import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { ModelVersion } from "@portolan/registry/contract";
import type { Command } from "commander";
import { uploadArtifact } from "../client/artifacts.ts";
import { findUseCase } from "../client/use-cases.ts";
import { versionPath } from "../client/version-path.ts";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { registerExplainable } from "./explain.ts";
import { registerAttestations } from "./model-attestations.ts";
import { registerCertify } from "./model-certify.ts";
import { registerCompare } from "./model-compare.ts";
import { registerDiff } from "./model-diff.ts";
import { registerDocuments } from "./model-documents.ts";
import { registerEvaluate } from "./model-evaluate.ts";
import { registerProfile } from "./model-profile.ts";
import { registerQuantize } from "./model-quantize.ts";
import { registerReproduce } from "./model-reproduce.ts";
import { registerRun } from "./model-run.ts";
import { registerShow } from "./model-show.ts";
import { registerTrain } from "./model-train.ts";
import { registerUpstreamCommand } from "./model-upstream.ts";
import { registerVerify } from "./model-verify.ts";

export function registerModelCommands(program: Command, contextOf: ContextOf): void {
  const model = program
    .command("model")
    .description(
      "Model versions and the runs that made them: import, register-upstream, list, train, run, evaluate, compare, profile, explainable, quantize, promote, diff, reproduce, bom, card, attestations, certify, verify",
    )
    .addHelpText("after", "\nExample:\n  portolan model list churn");
  registerList(model, contextOf);
  registerShow(model, contextOf);
  registerTrain(model, contextOf);
  registerRun(model, contextOf);
  registerImport(model, contextOf);
  registerUpstreamCommand(model, contextOf);
  registerEvaluate(model, contextOf);
  registerCompare(model, contextOf);
  registerProfile(model, contextOf);
  registerExplainable(model, contextOf);
  registerPromote(model, contextOf);
  registerQuantize(model, contextOf);
  registerDiff(model, contextOf);
  registerReproduce(model, contextOf);
  registerDocuments(model, contextOf);
  registerAttestations(model, contextOf);
  registerCertify(model, contextOf);
  registerVerify(model, contextOf);
}

function registerList(model: Command, contextOf: ContextOf): void {
  model
    .command("list [name]")
    .description("Versions that you may see, newest first")
    .addHelpText("after", "\nExample:\n  portolan model list flight-delays")
    .action(async (name: string | undefined, _options: object, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const path = name === undefined ? "/v1/models" : `/v1/models/${encodeURIComponent(name)}/versions`;
      const { versions } = await api.json<{ versions: readonly ModelVersion[] }>({ path });
      const rows = versions.map((one) => [
        one.model,
        String(one.version),
        one.lineage.upstream ? "upstream" : one.lineage.origin,
        one.stages.join(", "),
        one.artifact.slice(0, 19),
      ]);
      context.output.result(
        { versions },
        table(["model", "version", "origin", "promoted in", "artifact"], rows),
      );
    });
}

function registerImport(model: Command, contextOf: ContextOf): void {
  model
    .command("import <file>")
    .description("Register an ONNX file that was trained elsewhere; it first runs in a process of its own")
    .requiredOption("--name <name>", "name of the model")
    .requiredOption("--use-case <name>", "use case that it belongs to")
    .option("--environment <name>", "dev needs no signed charter", "production")
    .addHelpText(
      "after",
      "\nExample:\n  portolan model import model.onnx --name churn --use-case churn --environment dev --as ci",
    )
    .action(
      async (
        file: string,
        options: { name: string; useCase: string; environment: string },
        command: Command,
      ) => {
        const context = contextOf(command);
        const api = await connect(context);
        const useCase = await findUseCase(api, options.useCase);
        const bytes = await readFile(resolve(context.cwd, file));
        const place = { environment: options.environment, useCaseId: useCase.id };
        const digest = await uploadArtifact(api, place, bytes);
        const version = await api.json<ModelVersion>({
          path: `/v1/models/${encodeURIComponent(options.name)}/versions`,
          body: {
            useCaseId: useCase.id,
            artifact: digest,
            environment: options.environment,
            lineage: { origin: "imported", source: file },
          },
        });
        context.output.result(version, `${version.model} version ${version.version} (${version.artifact})`);
      },
    );
}

function registerPromote(model: Command, contextOf: ContextOf): void {
  model
    .command("promote <name> <version>")
    .description("Promote a version to an environment, if its gates are passed")
    .requiredOption("--to <environment>", "dev, staging or production")
    .addHelpText("after", "\nExample:\n  portolan model promote flight-delays 1 --to staging --as rita")
    .action(async (name: string, version: string, options: { to: string }, command: Command) => {
      const context = contextOf(command);
      const api = await connect(context);
      const verdict = await api.json({
        path: `${versionPath(name, version)}/promotions`,
        body: { to: options.to },
      });
      context.output.result(verdict, `${name} version ${version} is promoted to ${options.to}`);
    });
}
