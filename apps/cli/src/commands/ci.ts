import { mkdir } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { PortolanError } from "@portolan/kernel";
import type { Command } from "commander";
import { type CiPipeline, writePipeline } from "../ci/pipelines.ts";
import { type CiOptions, type CiSettings, type CiSystem, ciSystems, readCiSettings } from "../ci/settings.ts";
import { ciEnvironments } from "../ci/steps.ts";
import type { CliContext } from "../context.ts";
import type { CliErrorCode } from "../errors.ts";
import type { ContextOf } from "../program.ts";
import { writeNew } from "../write-new.ts";

interface InitOptions extends CiOptions {
  readonly dir: string;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

export function registerCiCommands(program: Command, contextOf: ContextOf): void {
  const ci = program
    .command("ci")
    .description("Pipelines that train, evaluate and ask for promotion, without a stored secret")
    .addHelpText(
      "after",
      "\nExample:\n  portolan ci init github --url https://portolan.example.com --dry-run",
    );
  ci.command("init <system>")
    .description(
      `Write a pipeline for one of: ${ciSystems.join(", ")}, and say what to run once on the server`,
    )
    .option("--dir <folder>", "the repository that it is for", ".")
    .option("--url <address>", "the server (default: PORTOLAN_URL)")
    .option("--use-case <name>", "(default: that of charter.yaml)")
    .option("--model <name>", "(default: the use case)")
    .option("--branch <name>", "whose pipeline trains and releases", "main")
    .option("--repository <path>", "OWNER/NAME or group/project (default: that of the remote origin)")
    .option("--namespace <name>", "of Argo: where workflows run", "argo")
    .option("--issuer <url>", "who signs the job's token; Argo: the issuer of the cluster's service accounts")
    .option("--audience <name>", "what the token is for (default: the server's address)")
    .option("--source <url>", "git repository of the command line (default: this one's origin)")
    .option("--ref <commit>", "commit or version of it (default: this one's)")
    .option("--dry-run", "print the file, write nothing")
    .option("--force", "overwrite a file that exists")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan ci init github --url https://portolan.example.com\n  portolan ci init argo --url https://portolan.example.com --namespace ml --issuer https://kubernetes.default.svc.cluster.local",
    )
    .action(async (named: string, options: InitOptions, command: Command) => {
      await initPipeline(contextOf(command), systemOf(named), options);
    });
}

async function initPipeline(context: CliContext, system: CiSystem, options: InitOptions): Promise<void> {
  const folder = resolve(context.cwd, options.dir);
  const settings = await readCiSettings(system, options, { ...context, folder });
  const { text, subject, ...pipeline } = writePipeline(system, settings);
  const path = join(folder, pipeline.path);
  const isWritten = options.dryRun !== true;
  if (isWritten) {
    await mkdir(dirname(path), { recursive: true });
    await writeNew(path, text, options.force === true);
  }
  const { issuer, audience } = settings;
  const setup = setupCommands(settings, { subject, jwksUri: pipeline.jwksUri });
  const shown = relative(context.cwd, path);
  context.output.result(
    { system, path, written: isWritten, text, issuer, audience, subject, setup },
    [
      ...(isWritten ? [`wrote ${shown}`, ""] : [`would write ${shown}:`, "", text]),
      "Run once on the server, as a platform admin:",
      ...setup.map((line) => `  ${line}`),
      "",
      `Only tokens whose subject is ${subject} count, character by character.`,
    ].join("\n"),
  );
}

function systemOf(named: string): CiSystem {
  const system = ciSystems.find((one) => one === named);
  if (system) return system;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `there is no pipeline for "${named.slice(0, 40)}"`,
    mend: `Use one of: ${ciSystems.join(", ")}.`,
  });
}

/** Commands that make the issuer trusted, and give the pipeline's account the role `ci` in its use case alone. */
function setupCommands(
  { issuer, audience, useCase }: CiSettings,
  { subject, jwksUri }: Pick<CiPipeline, "subject" | "jwksUri">,
): string[] {
  const account = `${useCase.slice(0, 60).replace(/-$/, "")}-ci`;
  return [
    `portolan identity trust ${issuer} --audience ${audience} --jwks-uri ${jwksUri} --environments ${ciEnvironments}`,
    `portolan service-account create ${account} --issuer ${issuer} --subject ${subject}`,
    `portolan grant ci --to ${account} --scope-kind use_case --scope ${useCase} --environments ${ciEnvironments}`,
  ];
}
