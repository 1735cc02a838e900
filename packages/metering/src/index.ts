export { type Allocation, type AllocationOrder, allocateBill } from "./allocate-bill.ts";
export { type MeteringErrorCode, meteringErrors } from "./errors.ts";
export { type Bill, type Tenant, type TenantLevel, tenantLevels, type UsageLine } from "./lines.ts";
export { quantityText } from "./quantity.ts";
export { readBill, readUsageLines } from "./read-lines.ts";
export { rollUp, type StatementLine } from "./roll-up.ts";
