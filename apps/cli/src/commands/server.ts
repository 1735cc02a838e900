import { join } from "node:path";
import type { Command } from "commander";
import type { JobView } from "../client/jobs.ts";
import { connect } from "../context.ts";
import { table } from "../output.ts";
import type { ContextOf } from "../program.ts";
import { parseGateways, parsePort } from "../supervisor/ports.ts";
import { printLog } from "../supervisor/print-log.ts";
import { readRunState } from "../supervisor/state-file.ts";
import { describeGateway, detach, runUp, stopUp } from "../supervisor/up.ts";

interface UpOptions {
  readonly detach?: boolean;
  readonly port: string;
  readonly gatewayPort: string;
  readonly grpcPort?: string;
  readonly gateways: string;
}

export function registerServerCommands(program: Command, contextOf: ContextOf): void {
  program
    .command("up")
    .description(
      "Start Portolan on this machine: PostgreSQL, control, gateway; a process that dies is started again",
    )
    .option("--detach", "return when everything is ready, and keep it running in the background")
    .option("--port <port>", "port of the control API", "7400")
    .option("--gateway-port <port>", "port of the gateway", "7401")
    .option("--grpc-port <port>", "port of the gateway's gRPC protocol; without it gRPC is off")
    .option("--gateways <count>", "gateway processes that share the port, one per processor at most", "1")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan up --detach && portolan status\n  portolan up --detach --gateways 4\n  portolan up --detach --grpc-port 7402",
    )
    .action(async (options: UpOptions, command: Command) => {
      const context = contextOf(command);
      const ports = {
        control: parsePort("--port", options.port),
        gateway: parsePort("--gateway-port", options.gatewayPort),
        ...(options.grpcPort === undefined ? {} : { grpc: parsePort("--grpc-port", options.grpcPort) }),
        gateways: parseGateways(options.gateways),
      };
      const state = options.detach ? await detach(context, ports) : await runUp(context, ports);
      context.output.result(
        state,
        `control  ${state.controlUrl}  (API: ${state.controlUrl}/docs)\n${describeGateway(state)}`,
      );
    });

  program
    .command("down")
    .description("Stop what `portolan up` started; nothing is lost")
    .addHelpText("after", "\nExample:\n  portolan down")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const stopped = await stopUp(context.home);
      context.output.result({ stopped }, stopped ? "stopped" : `nothing runs from ${context.home}`);
    });

  registerStatus(program, contextOf);
  registerLogs(program, contextOf);
}

function registerStatus(program: Command, contextOf: ContextOf): void {
  program
    .command("status")
    .description("What runs here, and whether it is ready (exit code 1 when it is not)")
    .addHelpText("after", "\nExample:\n  portolan status --json")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const state = readRunState(context.home);
      if (!state) {
        context.output.result(
          { running: false },
          `nothing runs from ${context.home}; start it with: portolan up --detach`,
        );
        process.exitCode = 1;
        return;
      }
      const parts = await Promise.all([
        readiness("control", state.controlUrl),
        ...(state.gateways?.map(({ name, metricsUrl }) =>
          readiness(name, metricsUrl.replace(/\/metrics$/, ""), state.gatewayUrl),
        ) ?? [readiness("gateway", state.gatewayUrl)]),
      ]);
      if (parts.some((part) => !part.ready)) process.exitCode = 1;
      const rows = parts.map((part) => {
        const running = state.processes[part.name];
        return [
          part.name,
          part.url,
          part.ready ? "ready" : `not ready: ${part.detail}`,
          String(running?.pid ?? "-"),
          String(running?.restarts ?? 0),
        ];
      });
      context.output.result(
        { running: true, ...state, parts },
        table(["process", "address", "state", "pid", "restarts"], rows),
      );
    });
}

function registerLogs(program: Command, contextOf: ContextOf): void {
  program
    .command("logs [what]")
    .description("Log of a process (control, gateway, supervisor, postgres) or of a job (its id)")
    .option("--follow", "go on printing what is added")
    .option("--lines <count>", "last lines to print first", "50")
    .addHelpText(
      "after",
      "\nExamples:\n  portolan logs control --follow\n  portolan logs gateway --lines 200",
    )
    .action(
      async (what: string | undefined, options: { follow?: boolean; lines: string }, command: Command) => {
        const context = contextOf(command);
        if (what !== undefined && !/^[a-z]+(-\d+)?$/.test(what)) {
          const api = await connect(context);
          const path = `/v1/jobs/${encodeURIComponent(what)}`;
          const job = await api.json<JobView>({ path });
          const { lines } = await api.json<{ lines: readonly { readonly line: string }[] }>({
            path: `${path}/log`,
          });
          const head =
            `${job.queue} ${job.state} ${Math.round(job.progress * 100)} % ${job.note ?? ""}`.trimEnd();
          context.output.result({ ...job, lines }, [head, ...lines.map((one) => one.line)].join("\n"));
          return;
        }
        const file = join(context.home, "logs", `${what ?? "control"}.log`);
        await printLog(file, {
          lines: Number(options.lines),
          follow: options.follow === true,
          output: context.output,
        });
      },
    );
}

/** @param shown the address for callers, where the one that is asked is the process's own */
async function readiness(
  name: string,
  askedUrl: string,
  url = askedUrl,
): Promise<{ name: string; url: string; ready: boolean; detail: string }> {
  try {
    const response = await fetch(`${askedUrl}/readyz`, { signal: AbortSignal.timeout(3000) });
    return {
      name,
      url,
      ready: response.ok,
      detail: response.ok ? "" : (await response.text()).slice(0, 200),
    };
  } catch (error) {
    return { name, url, ready: false, detail: error instanceof Error ? error.message : String(error) };
  }
}
