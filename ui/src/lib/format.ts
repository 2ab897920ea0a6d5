// Words and figures for people. Times are shown in the reader's zone, with UTC on hover.

const whole = new Intl.NumberFormat("en-US");
const one = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

/** A count with its thousands set apart; a dash when it is not known. */
export function count(value: number | null | undefined): string {
  return value == null ? "–" : whole.format(value);
}

/** A count and its thing, in the right number. */
export function things(value: number, thing: string, several = `${thing}s`): string {
  return `${count(value)} ${value === 1 ? thing : several}`;
}

/** A share of one as a percentage. */
export function percent(share: number, digits = 0): string {
  return `${(share * 100).toFixed(digits)}%`;
}

/** A span of milliseconds as figure and unit. */
export function span(ms: number | null | undefined): [string, string] {
  if (ms == null) return ["–", ""];
  if (ms < 1000) return [whole.format(Math.round(ms)), "ms"];
  if (ms < 60_000) return [one.format(ms / 1000), "s"];
  if (ms < 3_600_000) {
    const seconds = Math.round(ms / 1000);
    return [`${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`, "min"];
  }
  if (ms < 48 * 3_600_000) return [one.format(ms / 3_600_000), "h"];
  return [one.format(ms / 86_400_000), "days"];
}

/** A span of milliseconds in words. */
export function spanText(ms: number | null | undefined): string {
  return span(ms).join(" ").trim();
}

/** How long before `now` something was, in words. */
export function ago(then: string, now: string): string {
  const ms = Date.parse(now) - Date.parse(then);
  const size = Math.abs(ms);
  const words = (): string => {
    if (size < 60_000) return "just now";
    if (size < 3_600_000) return `${Math.floor(size / 60_000)} min`;
    if (size < 48 * 3_600_000) return `${Math.floor(size / 3_600_000)} h`;
    return `${Math.floor(size / 86_400_000)} days`;
  };
  if (size < 60_000) return words();
  return ms < 0 ? `in ${words()}` : `${words()} ago`;
}

const minute = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
});
const second = new Intl.DateTimeFormat("en-GB", {
  day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const day = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const clockTime = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** A moment in the reader's zone. */
export function moment(text: string, seconds = false): string {
  return (seconds ? second : minute).format(new Date(text));
}

/** The day of a moment, in the reader's zone. */
export function dayOf(text: string): string {
  return day.format(new Date(text));
}

/** The time of day of a moment, in the reader's zone. */
export function timeOfDay(text: string): string {
  return clockTime.format(new Date(text));
}

/** The same moment in UTC, for the hover text. */
export function utc(text: string): string {
  return `${new Date(text).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** A word with a capital. */
export function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** Any value of an answer, as text. */
export function cellText(value: unknown): string {
  if (value == null) return "";
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}
