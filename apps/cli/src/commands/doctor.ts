import type { Command } from "commander";
import { runDoctor } from "../doctor/doctor.ts";
import type { ContextOf } from "../program.ts";
import { readRunState } from "../supervisor/state-file.ts";

const defaultPorts = [7400, 7401];

export function registerDoctorCommand(program: Command, contextOf: ContextOf): void {
  program
    .command("doctor")
    .description(
      "Check this machine: Node, Python, ports, folder, disk, memory; says what to do (exit code 1 when it must be done)",
    )
    .addHelpText("after", "\nExample:\n  portolan doctor")
    .action(async (_options: object, command: Command) => {
      const context = contextOf(command);
      const running = readRunState(context.home) !== undefined;
      const report = await runDoctor({
        home: context.home,
        databaseUrl: context.env["DATABASE_URL"] !== undefined,
        ports: running ? [] : defaultPorts,
      });
      if (!report.healthy) process.exitCode = 1;
      const lines = report.findings.map(
        (finding) =>
          `${finding.status.padEnd(7)}  ${finding.check}: ${finding.detail}${finding.mend === undefined ? "" : `\n         ${finding.mend}`}`,
      );
      context.output.result(report, lines.join("\n"));
    });
}
