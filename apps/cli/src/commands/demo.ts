import type { Command } from "commander";
import type { ContextOf } from "../program.ts";
export function registerDemoCommand(_program: Command, _contextOf: ContextOf): void {}
