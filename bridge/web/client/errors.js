// What goes wrong, in one shape: category is one of cognitect.anomalies' nine, code is stable.

const WORDS = new Map([["chsk/timeout", "unavailable"], ["chsk/closed", "interrupted"], ["chsk/error", "fault"]]);

/** retry: nothing was done, the same may work later. */
class SenteLiteError extends Error {
  constructor({category = "fault", code = "sente-lite/error", message, hint, retry = false, event, data}) {
    super(message || code);
    Object.assign(this, {name: "SenteLiteError", category, code, hint, retry, event, data});
  }
}

const fail = (category, code, event, text, more) =>
  new SenteLiteError({category, code, event, message: `${event}: ${text}`, ...more});
const busy = (event, text) => fail("busy", "sente-lite/busy", event, text, {retry: true});
const timeout = (event, ms, retry) => fail("unavailable", "chsk/timeout", event, `no answer in ${ms} ms`, {retry});

/** The error in a value, or null. */
function errorIn(value, event) {
  if (WORDS.has(value)) return fail(WORDS.get(value), value, event, "no reply");
  if (!Array.isArray(value) || value[0] !== "sente-lite/error") return null;
  const e = value[1] || {};
  return new SenteLiteError({...e, retry: e["retry?"], event: e["event-id"] || event});
}
