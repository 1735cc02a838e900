export { actionInScope, decideAtGateway } from "./gateway-grants.ts";
