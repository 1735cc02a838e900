import type { Command } from "commander";
import type { ContextOf } from "../program.ts";
export function registerDoctorCommand(_program: Command, _contextOf: ContextOf): void {}
