import { PortolanError } from "@portolan/kernel";
import type { CliErrorCode } from "../errors.ts";
import type { ApiClient } from "./api-client.ts";

export interface UseCaseView {
  readonly id: string;
  readonly name: string;
}

/** @throws PortolanError `cli.bad_usage` when no use case of that name is visible to the caller */
export async function findUseCase(api: ApiClient, name: string): Promise<UseCaseView> {
  const { items: useCases } = await api.json<{ items: readonly UseCaseView[] }>({ path: "/v1/use-cases" });
  const found = useCases.find((one) => one.name === name || one.id === name);
  if (found) return found;
  throw new PortolanError<CliErrorCode>("cli.bad_usage", {
    detail: `there is no use case "${name.slice(0, 80)}" that you can see`,
    mend:
      useCases.length === 0
        ? "Create it with: portolan use-case create"
        : `You see: ${useCases.map((one) => one.name).join(", ")}.`,
  });
}
