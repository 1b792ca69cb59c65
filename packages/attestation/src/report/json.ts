/** A report as JSON text: exactly the {@link Report}. */
import type {Report} from "./report.ts";

export function renderReportJson(report: Report): string {
  return `${JSON.stringify(report, null, 2)}\n`;
}
