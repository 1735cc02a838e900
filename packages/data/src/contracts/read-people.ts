import type { YamlNode } from "@portolan/yaml-source";
import type { ContractRole, DataContract, SupportChannel, TeamMember } from "./contract-model.ts";

/** `team` is an object with `members` since v3.1; the older list of members is accepted too. */
export function readTeam(team: YamlNode): TeamMember[] {
  const members = team.isMap() ? team.get("members").items() : team.items();
  return members.map((member) => ({
    username: member.get("username").requiredText("Name the member."),
    ...texts(member, ["role", "dateIn", "dateOut"]),
  }));
}

export function readRoles(roles: YamlNode): ContractRole[] {
  return roles.items().map((role) => ({
    role: role.get("role").requiredText("Name the role."),
    ...texts(role, ["access", "firstLevelApprovers", "secondLevelApprovers"]),
  }));
}

export function readSupport(support: YamlNode): SupportChannel[] {
  return support.items().map((channel) => ({
    channel: channel.get("channel").requiredText("Name the channel."),
    ...texts(channel, ["url", "tool", "scope"]),
  }));
}

export function readServers(servers: YamlNode): DataContract["servers"] {
  return servers.items().map((server) => {
    const location = server.get("location").text() ?? server.get("path").text();
    const owner = server
      .get("customProperties")
      .items()
      .find((item) => item.get("property").text() === "portolan.owner")
      ?.get("value")
      .text();
    return {
      name: server.get("server").requiredText("Name the server."),
      type: server.get("type").requiredText("Say what kind of server it is."),
      ...(location === undefined ? {} : { location }),
      ...(owner === undefined ? {} : { owner }),
    };
  });
}

/** Those members of a mapping that are there. */
function texts<Key extends string>(node: YamlNode, keys: readonly Key[]): Partial<Record<Key, string>> {
  const found: Partial<Record<Key, string>> = {};
  for (const key of keys) {
    const text = node.get(key).text();
    if (text !== undefined) found[key] = text;
  }
  return found;
}
