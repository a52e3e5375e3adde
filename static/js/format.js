/** Numbers and times in the language of the page. */

const locale = document.documentElement.lang || "en";

const whole = new Intl.NumberFormat(locale);
const short = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
const ago = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });
const clock = new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit", second: "2-digit" });
// An axis has no room for "오전" or "AM".
const clockShort = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** 12345 -> "12,345" */
export const number = (value) => whole.format(value);

/** 12345 -> "12.3K", in Korean "1.2만" */
export const compact = (value) => short.format(value);

/** Seconds that have passed -> "now", "12 sec. ago", "3 min. ago" */
export function since(seconds) {
  const past = Math.max(0, Math.round(seconds));
  if (past < 60) return ago.format(-past, "second");
  if (past < 3600) return ago.format(-Math.floor(past / 60), "minute");
  return ago.format(-Math.floor(past / 3600), "hour");
}

/** Seconds -> "1:02:03" or "2:03" */
export function duration(seconds) {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  const two = (part) => String(part).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** Epoch seconds -> a time of day */
export const timeOfDay = (epoch) => clock.format(epoch * 1000);
export const timeOfDayShort = (epoch) => clockShort.format(epoch * 1000);

/** Fill a translated text: fill("in {n} s", {n: 3}) -> "in 3 s" */
export const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key]);
