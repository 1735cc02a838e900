import { resolve } from "node:path";
import type { ModelVersion, StatedUpstream } from "@portolan/registry/contract";
import type { Command } from "commander";
import { findUseCase } from "../client/use-cases.ts";
import { connect } from "../context.ts";
import type { ContextOf } from "../program.ts";
import { readPromptFile } from "../provenance/prompt-file.ts";

interface UpstreamOptions {
  readonly useCase: string;
  readonly environment: string;
  readonly protocol: string;
  readonly url: string;
  readonly model?: string;
  readonly modelVersion?: string;
  readonly location: string;
  readonly owner: string;
  readonly serves?: string;
  readonly credential?: string;
  readonly operations?: string;
  readonly prompt?: string;
}

/** `portolan model register-upstream`: a version that another server runs. */
export function registerUpstreamCommand(model: Command, contextOf: ContextOf): void {
  model
    .command("register-upstream <name>")
    .description(
      "Register a version that another server runs: control asks it what it serves, signs that, and sends it nothing else",
    )
    .requiredOption("--use-case <name>", "use case that it belongs to")
    .requiredOption(
      "--url <address>",
      "base address of the server, before /v2 or /v1; for gRPC scheme, host and port",
    )
    .requiredOption("--location <region>", "region in which that server stands")
    .requiredOption("--owner <name>", "who owns its machines: self, or the provider")
    .option(
      "--protocol <name>",
      "open-inference (Triton, KServe, a gateway; REST), open-inference-grpc (the same, gRPC) or openai (vLLM)",
      "open-inference",
    )
    .option("--model <name>", "its name there, if it is another one")
    .option("--model-version <version>", "its version there; default: what the server serves")
    .option("--environment <name>", "dev needs no signed charter", "production")
    .option("--serves <names>", "environments that it may serve, separated by commas; default: all")
    .option("--credential <name>", "file <name>.json in UPSTREAM_CREDENTIALS of control and the gateways")
    .option("--operations <names>", "openai: chat, completions, embeddings; default: chat,completions")
    .option(
      "--prompt <file>",
      "openai: YAML or JSON with system, template and sampling, which is part of the version",
    )
    .addHelpText(
      "after",
      `
Examples:
  portolan model register-upstream churn --use-case churn --url https://triton.example --location eu-central-1 --owner self --credential triton
  portolan model register-upstream churn --use-case churn --url http://127.0.0.1:8000 --model churn_v2 --location local --owner self --environment dev
  portolan model register-upstream churn --use-case churn --protocol open-inference-grpc --url https://triton.example:8001 --location eu-central-1 --owner self
  portolan model register-upstream helper --use-case helpdesk --protocol openai --url https://vllm.example --model llama --location eu-west-1 --owner hoster --credential vllm --json
  portolan model register-upstream helper --use-case helpdesk --protocol openai --url https://vllm.example --location eu-west-1 --owner hoster --prompt prompt.yaml`,
    )
    .action(async (name: string, options: UpstreamOptions, command: Command) => {
      const context = contextOf(command);
      const prompt =
        options.prompt === undefined ? undefined : await readPromptFile(resolve(context.cwd, options.prompt));
      const api = await connect(context);
      const useCase = await findUseCase(api, options.useCase);
      const version = await api.json<ModelVersion>({
        path: `/v1/models/${encodeURIComponent(name)}/upstreams`,
        body: {
          useCaseId: useCase.id,
          environment: options.environment,
          upstream: upstreamOf(name, options),
          ...(prompt ? { prompt } : {}),
        },
      });
      context.output.result(
        version,
        `${version.model} version ${version.version} (${version.artifact}), run by ${options.url} in ${options.location}, owned by ${options.owner}${promptText(version)}`,
      );
    });
}

const promptText = ({ lineage: { prompt } }: ModelVersion): string =>
  prompt === undefined ? "" : `, with prompt ${prompt}`;

/** The server checks the words; here they only get their places. */
function upstreamOf(name: string, options: UpstreamOptions) {
  const list = (text: string | undefined) => text?.split(",").map((one) => one.trim());
  const [environments, operations] = [list(options.serves), list(options.operations)];
  return {
    protocol: options.protocol as StatedUpstream["protocol"],
    url: options.url.replace(/\/+$/, ""),
    model: options.model ?? name,
    ...(options.modelVersion === undefined ? {} : { version: options.modelVersion }),
    region: options.location,
    owner: options.owner,
    ...(environments ? { environments } : {}),
    ...(options.credential === undefined ? {} : { credential: options.credential }),
    ...(operations ? { operations } : {}),
  };
}
